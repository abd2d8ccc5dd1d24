package e2e

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// BenchmarkEndpointChange measures how long the maps of three nodes take to follow
// one backend of a published service that comes, and one that goes. It comes at the
// moment that its node notes as the start of its running, before it reports that. It
// goes when the service is scaled down: then the time until the request is committed
// and the leader has planned and committed which task goes is in the number. Both
// end when the kernel of the last node has the change: it is read there.
func BenchmarkEndpointChange(b *testing.B) {
	ready(b)
	const least, changes = 2, 150
	c := dial(b)
	spec := api.ServiceSpec{Name: "flicker", Replicas: pointer(least), DrainDelay: pointer(api.Duration(50 * time.Millisecond)),
		Ports: []api.Port{{Target: 80, Published: 8010}}, Container: api.ContainerSpec{Image: "whoami:1.0"}}
	_, err := c.CreateService(b.Context(), api.ServiceCreate{Spec: spec})
	require.NoError(b, err)
	defer remove(b, "flicker")
	sightings := watchBackends(b, "port_targets")
	before := addressesOf(b, c, "flicker", least)
	var came, went []time.Duration
	for b.Loop() {
		for range changes {
			scale(b, c, "flicker", least+1)
			tasks := addressesOf(b, c, "flicker", least+1)
			for address, since := range tasks {
				if _, old := before[address]; !old {
					came = append(came, sightings.last(b, address, true).Sub(since))
				}
			}
			began := time.Now()
			scale(b, c, "flicker", least)
			before = addressesOf(b, c, "flicker", least)
			for address := range tasks {
				if _, stays := before[address]; !stays {
					went = append(went, sightings.last(b, address, false).Sub(began))
				}
			}
		}
	}
	report(b, "came", came)
	report(b, "went", went)
	b.ReportMetric(0, "ns/op")
}

func report(b *testing.B, what string, took []time.Duration) {
	require.NotEmpty(b, took)
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/"+what+"-p50")
	b.ReportMetric(float64(took[(len(took)*99+99)/100-1].Microseconds())/1000, "ms/"+what+"-p99")
}

func scale(b *testing.B, c *client.Client, service string, replicas int) {
	_, err := c.Scale(b.Context(), map[string]int{service: replicas})
	require.NoError(b, err)
}

// addressesOf waits for that many running tasks that are to stay, and returns since
// when each runs, by its address on the ingress network.
func addressesOf(b *testing.B, c *client.Client, service string, count int) map[netip.Addr]time.Time {
	var found map[netip.Addr]time.Time
	poll(b, func() bool {
		tasks, err := c.Tasks(b.Context(), client.TaskQuery{Service: service})
		require.NoError(b, err)
		found = make(map[netip.Addr]time.Time)
		for _, task := range tasks {
			if task.Desired == api.DesiredRun && task.Status.State == api.TaskRunning {
				found[task.Status.Addresses[api.IngressID]] = task.Status.Since
			}
		}
		return len(found) == count
	})
	return found
}

// sighting is when a backend was first seen in, or gone from, a node's map.
type sighting struct {
	address netip.Addr
	there   bool
}

// sightings are those of all nodes.
type sightings struct {
	mu    sync.Mutex
	nodes []map[sighting]time.Time
}

// watchBackends looks into one map of every node whenever its kernel says that
// something changed.
func watchBackends(b *testing.B, name string) *sightings {
	s := &sightings{}
	var watching sync.WaitGroup
	var opened []*routerMaps
	for i, node := range shared.Nodes() {
		m := openMaps(b, node)
		opened = append(opened, m)
		s.nodes = append(s.nodes, make(map[sighting]time.Time))
		watching.Go(func() {
			var before map[netip.Addr]bool
			for {
				now, err := m.backends(name)
				if err != nil {
					b.Error(err)
					return
				}
				s.note(i, before, now)
				before = now
				if _, err := m.events.Receive(); err != nil {
					return // closed
				}
			}
		})
	}
	b.Cleanup(func() {
		for _, m := range opened {
			m.events.Close() // ends who listens
		}
		watching.Wait()
		for _, m := range opened {
			m.close()
		}
	})
	return s
}

func (s *sightings) note(node int, before, after map[netip.Addr]bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for address := range after {
		if !before[address] {
			s.nodes[node][sighting{address, true}] = now
		}
	}
	for address := range before {
		if !after[address] {
			s.nodes[node][sighting{address, false}] = now
		}
	}
}

// last waits until all nodes have seen it, and returns when the last one did.
func (s *sightings) last(b *testing.B, address netip.Addr, there bool) (latest time.Time) {
	what := sighting{address, there}
	poll(b, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, node := range s.nodes {
			at, seen := node[what]
			if !seen {
				return false
			}
			if at.After(latest) {
				latest = at
			}
		}
		for _, node := range s.nodes {
			delete(node, what) // the address may come again
		}
		return true
	})
	return latest
}
