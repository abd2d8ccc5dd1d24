package network

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// TestAnyOrder lets networks, services, tasks and nodes come and go in any order.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		var names [4]string // of the networks: an ID is never used again
		random := rand.New(rand.NewPCG(seed, 1))
		l := newLeading(t, 3)
		pick := func(n int) int { return random.IntN(n) }
		for step := range 120 {
			switch pick(12) {
			case 0:
				if i := pick(4); store.Get[api.Network](l.snapshot, names[i]) == nil {
					names[i] = fmt.Sprintf("net%d-%d", i, step)
					l.network(names[i], []string{"", "10.200.0.0/29", "10.200.1.0/28", "10.200.2.0/24"}[pick(4)])
				}
			case 1:
				name := names[pick(4)]
				used := false
				for service := range store.All[api.Service](l.snapshot) {
					for _, each := range currentSpec(l.snapshot, service).Networks {
						used = used || each.Network == name
					}
				}
				if !used && store.Get[api.Network](l.snapshot, name) != nil {
					l.remove(api.KindNetwork, name)
				}
			case 2, 3:
				spec := on(fmt.Sprint("s", pick(6)))
				for _, name := range names {
					if pick(2) == 0 && store.Get[api.Network](l.snapshot, name) != nil {
						spec.Networks = append(spec.Networks, api.NetworkAttachment{Network: name})
					}
				}
				for range pick(3) {
					spec.Ports = append(spec.Ports, api.Port{Protocol: "tcp", Target: 80, Published: uint16(pick(2) * (30000 + pick(4))), Mode: "ingress"})
				}
				before := l.snapshot
				if l.services(spec) != nil {
					l.snapshot = before
				}
			case 4:
				l.removeService(fmt.Sprint("s", pick(6)))
			case 5, 6, 7, 8:
				service, node := fmt.Sprint("s", pick(6)), fmt.Sprint("n", pick(4)+1)
				if store.Get[api.Service](l.snapshot, service) != nil && store.Get[api.Node](l.snapshot, node) != nil {
					l.task(fmt.Sprint("t", seed, ".", step), service, node)
				}
			case 9:
				for task := range store.All[api.Task](l.snapshot) {
					if pick(3) == 0 {
						l.ends(task.ID)
					}
				}
			case 10:
				id := fmt.Sprint("n", pick(4)+1)
				switch {
				case store.Get[api.Node](l.snapshot, id) == nil:
					l.node(id)
				case pick(3) == 0:
					l.remove(api.KindNode, id)
					l.remove(api.KindNodeStatus, id)
					for task := range store.Find[api.Task](l.snapshot, store.ByNode, id) {
						l.remove(api.KindTask, task.ID)
					}
				default:
					l.state(id, []api.NodeState{api.NodeDown, api.NodeReady}[pick(2)])
				}
			case 11:
				l.now = l.now.Add(time.Duration(pick(15)) * time.Minute)
			}
			if pick(3) == 0 {
				l.keep()
				l.check()
			}
		}
		l.keep()
		require.Equal(t, NewKeeper(l.snapshot).counts, l.keeper.counts, "the memory is only speed")
		for task := range store.All[api.Task](l.snapshot) {
			l.ends(task.ID)
		}
		for service := range store.All[api.Service](l.snapshot) {
			l.removeService(service.ID)
		}
		for i := range 4 {
			l.state(fmt.Sprint("n", i+1), api.NodeReady)
		}
		for range 3 {
			l.keep()
			l.now = l.now.Add(time.Hour)
		}
		l.keep()
		for block := range store.All[api.Block](l.snapshot) {
			require.Empty(t, block.Node, "seed %d: block %s is left", seed, block.ID)
		}
	}
}

// check holds the snapshot against what must always be true.
func (l *leading) check() {
	t := l.t
	blocks := make(map[string][]*api.Block)
	for block := range store.All[api.Block](l.snapshot) {
		blocks[block.Network] = append(blocks[block.Network], block)
	}
	var subnets []netip.Prefix
	for network := range store.All[api.Network](l.snapshot) {
		for _, other := range subnets {
			require.False(t, other.Overlaps(network.Subnet), "%s overlaps another", network.Name)
		}
		subnets = append(subnets, network.Subnet)
		var taken []netip.Prefix
		virtual := make(map[netip.Addr]string)
		for endpoint := range store.All[api.Endpoint](l.snapshot) {
			if at, found := endpoint.Virtual[network.ID]; found {
				require.Empty(t, virtual[at], "two services have %s", at)
				require.True(t, api.Assignable(network.Subnet, at))
				virtual[at] = endpoint.ID
			}
		}
		in := 0
		for _, block := range blocks[network.ID] {
			for _, prefix := range block.Prefixes {
				require.Equal(t, prefix, prefix.Masked())
				require.True(t, network.Subnet.Overlaps(prefix) && prefix.Bits() >= network.Subnet.Bits(), "%s is not in %s", prefix, network.Subnet)
				for _, other := range taken {
					require.False(t, other.Overlaps(prefix), "%s and %s of network %s", other, prefix, network.Name)
				}
				taken = append(taken, prefix)
				for at := range virtual {
					if prefix.Contains(at) {
						require.Empty(t, block.Node, "a node may give away %s", at)
						in++
					}
				}
			}
			if block.Node == "" {
				continue
			}
			have := assignable(network.Subnet, block.Prefixes)
			require.Equal(t, have < l.keeper.counts[block.ID], block.Lacks, "block %s", block.ID)
		}
		require.Equal(t, len(virtual), in, "each virtual address is of the block for them")
		room := newSpace(network.Subnet, taken).room()
		for _, block := range blocks[network.ID] {
			require.False(t, block.Lacks && room > 0, "block %s lacks addresses and %d are free", block.ID, room)
		}
	}
	for id, tasks := range l.keeper.counts {
		require.False(t, tasks > 0 && store.Get[api.Block](l.snapshot, id) == nil, "%s has no block", id)
	}
	ports := make(map[portKey]string)
	for endpoint := range store.All[api.Endpoint](l.snapshot) {
		for _, port := range endpoint.Ports {
			key := portKey{port.Protocol, port.Published}
			require.NotZero(t, port.Published)
			require.Contains(t, []string{"", endpoint.ID}, ports[key], "port %v is published twice", key)
			ports[key] = endpoint.ID
		}
	}
}
