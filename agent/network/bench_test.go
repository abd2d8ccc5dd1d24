package network

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// BenchmarkAttach attaches 50 containers at once beside 300 others, to a node that
// knows 1,000 services of ten backends each: how long until the first one can be
// started, and until all can.
func BenchmarkAttach(b *testing.B) {
	const others, crowd = 300, 50
	one := twoHosts(b)[0]
	one.fabric.Apply(large(one))
	attachAtOnce(b, one, "other", others)
	var first, last time.Duration
	for b.Loop() {
		soonest, latest := attachAtOnce(b, one, "new", crowd)
		first, last = first+soonest, last+latest
		for i := range crowd {
			require.NoError(b, one.fabric.Detach(b.Context(), named("new", i)))
		}
	}
	b.ReportMetric(first.Seconds()*1e3/float64(b.N), "ms-first")
	b.ReportMetric(last.Seconds()*1e3/float64(b.N), "ms-all")
	b.ReportMetric(0, "ns/op")
}

// attachAtOnce returns when the first and when the last were attached.
func attachAtOnce(b *testing.B, h *host, name string, count int) (first, last time.Duration) {
	spec := &api.ServiceSpec{Name: "web"}
	attached := make(chan time.Duration, count)
	var group errgroup.Group
	began := time.Now()
	for i := range count {
		group.Go(func() error {
			assignment := wire.Assignment{Task: api.Task{Meta: api.Meta{ID: named(name, i)}, Service: "web", Slot: i}, ServiceName: "web"}
			_, _, err := h.fabric.Attach(b.Context(), assignment, spec)
			attached <- time.Since(began)
			return err
		})
	}
	require.NoError(b, group.Wait())
	first = <-attached
	for range count - 1 {
		last = max(last, <-attached)
	}
	return min(first, last), max(first, last)
}

// named is a task's ID; its link's name is unique by its first 14 characters.
func named(name string, i int) string { return fmt.Sprintf("%s%d", name, i) }

// large is what a manager tells of 1,000 services of ten backends each.
func large(h *host) wire.Down {
	down := told(h)
	state := down.Network
	state.Blocks.Set["ingress.0"] = wire.Block{Network: api.IngressID, Node: h.number, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.255.16.0/20")}}
	state.Networks.Set["wide"] = wire.Network{Name: "wide", Subnet: netip.MustParsePrefix("10.64.0.0/16")}
	state.Services.Set, state.Backends.Set = make(map[string]wire.Service), make(map[string]wire.Backend)
	address := netip.MustParseAddr("10.64.0.1")
	for i := range 1000 {
		service := fmt.Sprint("service", i)
		state.Services.Set[service] = wire.Service{Name: service, Networks: map[string]wire.ServiceNetwork{"wide": {Virtual: address}}}
		for slot := range 10 {
			address = address.Next()
			task := fmt.Sprint(service, ".", slot)
			state.Backends.Set[task] = wire.Backend{Service: service, Node: 2, Slot: slot, Name: task, Addresses: map[string]netip.Addr{"wide": address}}
		}
		address = address.Next()
	}
	return down
}
