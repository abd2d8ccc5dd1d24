package session

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// crowd is a cluster whose services are all on one network and on every node's
// ports, with three tasks each.
func crowd(services, nodes int) *store.Snapshot {
	b := store.NewBuilder(nil)
	put := func(object api.Object) {
		object.Header().Version = 1
		b.Put(object)
	}
	put(overlay(api.IngressID))
	put(&api.Network{Meta: api.Meta{ID: "front"}, Name: "front", Subnet: netip.MustParsePrefix("10.16.0.0/12")})
	for i := range nodes {
		put(node(nodeID(i), uint16(i+1)))
		put(blockOf("front", nodeID(i), "10.16.0.0/24"))
		put(blockOf(api.IngressID, nodeID(i), "10.0.0.0/24"))
	}
	for i := range services {
		id := fmt.Sprintf("service%018d", i)
		for _, object := range connected(id, []api.Port{{Protocol: "tcp", Target: 80, Published: uint16(1000 + i), Mode: "ingress"}}, "front") {
			put(object)
		}
		for slot := range 3 {
			task := taskOf(fmt.Sprintf("task%d.%018d", slot, i), id, nodeID((i+slot)%nodes))
			put(task)
			status := reached(task.ID, "front", "10.16.1.1")
			status.Addresses[api.IngressID] = netip.MustParseAddr("10.0.1.1")
			put(status)
		}
	}
	return b.Snapshot(1)
}

// BenchmarkEndpointChange is a task that begins or ceases to take connections, told
// to all nodes in bytes.
func BenchmarkEndpointChange(b *testing.B) {
	for _, nodes := range []int{100, 1000} {
		b.Run(fmt.Sprintf("services=1000/nodes=%d", nodes), func(b *testing.B) {
			snapshot := crowd(1000, nodes)
			audience := newAudience(snapshot)
			around := make([]*surroundings, nodes)
			for i := range around {
				around[i] = newSurroundings(nodeID(i), audience)
				around[i].full(snapshot)
			}
			task := store.First[api.Task](snapshot, store.ByService, fmt.Sprintf("service%018d", 7))
			bytes := 0
			for n := int64(2); b.Loop(); n++ {
				next := *task
				next.Version = n
				if n%2 == 0 {
					next.Desired = api.DesiredShutdown
				}
				builder := store.NewBuilder(snapshot)
				old := builder.Put(&next)
				snapshot = builder.Snapshot(n)
				told := audience.tidings(store.Update{Snapshot: snapshot, Changes: []store.Change{{Kind: api.KindTask, ID: next.ID, Old: old, New: &next}}})
				for i := range around {
					about := news{}
					about.add(&told.everyone)
					about.add(told.of(nodeID(i)))
					bytes = wireSize(b, &wire.Down{Revision: n, Network: around[i].delta(snapshot, &about)})
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*nodes), "µs/node")
			b.ReportMetric(float64(bytes), "B/node")
		})
	}
}

// BenchmarkFirstState is all that a node is told when it connects.
func BenchmarkFirstState(b *testing.B) {
	for _, services := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("services=%d/nodes=100", services), func(b *testing.B) {
			snapshot := crowd(services, 100)
			audience := newAudience(snapshot)
			bytes := 0
			for b.Loop() {
				bytes = wireSize(b, &wire.Down{Revision: 1, Network: newSurroundings(nodeID(0), audience).full(snapshot)})
			}
			b.ReportMetric(float64(bytes)/1024, "KiB")
		})
	}
}

// BenchmarkAudience is what a manager does once when it starts.
func BenchmarkAudience(b *testing.B) {
	snapshot := crowd(10_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		newAudience(snapshot)
	}
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

func wireSize(b *testing.B, down *wire.Down) int {
	var size counter
	if err := wire.Write(&size, down); err != nil {
		b.Fatal(err)
	}
	return int(size)
}
