package rules

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowd is a node's state in a cluster of n services with three backends each, all
// of whose ports are published up to 1,000.
func crowd(n int) State {
	s := State{
		Services: make(map[netip.Addr][]netip.Addr), Ports: make(map[Port]Published), Containers: make(map[string]Container),
		Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.0.0.0/14")}, {Prefix: netip.MustParsePrefix("10.8.0.0/14"), Isolated: true}},
		Egress:  []Egress{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("192.168.0.1")}},
	}
	virtual, backend := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.1")
	for i := range n {
		for range 3 {
			s.Services[virtual] = append(s.Services[virtual], backend)
			backend = backend.Next()
		}
		virtual = virtual.Next()
		if i < 1000 {
			s.Ports[Port{6, uint16(30000 + i)}] = Published{Backends: []netip.AddrPort{netip.AddrPortFrom(backend, 80)}}
		}
	}
	for i := range 100 {
		s.Containers[fmt.Sprintf("c%d", i)] = Container{Addresses: []netip.Addr{backend}, Egress: true}
		backend = backend.Next()
	}
	return s
}

// The first time, everything is written: ≤ 0.5 s for 10,000 services, ≤ 1.5 s for
// 30,000.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10000, 30000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table, s := openTable(b), crowd(n)
			for b.Loop() {
				require.NoError(b, table.Apply(s))
				b.StopTimer()
				require.NoError(b, table.Remove())
				b.StartTimer()
			}
		})
	}
}

// One service loses a backend and gets it back: ≤ 5 ms at 10,000 services.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1000, 10000, 30000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table, s := openTable(b), crowd(n)
			require.NoError(b, table.Apply(s))
			address := netip.MustParseAddr("10.0.1.0")
			backends := s.Services[address]
			for i := 0; b.Loop(); i++ {
				s.Services[address] = backends[:2+i%2]
				require.NoError(b, table.Apply(s))
			}
		})
	}
}

// Everything is read back and compared.
func BenchmarkCheck(b *testing.B) {
	table := openTable(b)
	require.NoError(b, table.Apply(crowd(10000)))
	for b.Loop() {
		found, err := table.Restore()
		require.NoError(b, err)
		require.Empty(b, found)
	}
}

// With 10,000 services loaded, a connection through a service's address is opened in
// ≤ 1.3 × the time of one to the container's own.
func BenchmarkConnect(b *testing.B) {
	l := newLab(b, 1)
	n := l.nodes[0]
	asker, server := n.run(9, false, 0), n.run(1, false, 0)
	server.serve(server.name, ":80")
	loaded := crowd(10000)
	for _, address := range slices.Concat(asker.addresses, server.addresses) {
		delete(loaded.Services, address)
	}
	virtual := netip.MustParseAddr("10.0.200.1")
	loaded.Services[virtual] = server.addresses
	n.state.Services, n.state.Ports = loaded.Services, loaded.Ports
	n.apply()

	dialer := net.Dialer{Timeout: patience}
	connect := func(to netip.Addr) (time.Duration, error) {
		start := time.Now()
		conn, err := dialer.Dial("tcp4", at4(to, 80))
		if err != nil {
			return 0, err
		}
		took := time.Since(start)
		// With a reset, so that ports are free again at once.
		return took, errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close())
	}
	var direct, service []time.Duration
	inside(b, asker.namespace, func() error {
		for b.Loop() { // by turns, so that both see the same machine
			one, err := connect(server.addresses[0])
			if err != nil {
				return fmt.Errorf("connect directly: %w", err)
			}
			two, err := connect(virtual)
			if err != nil {
				return fmt.Errorf("connect to the service: %w", err)
			}
			direct, service = append(direct, one), append(service, two)
		}
		return nil
	})
	slices.Sort(direct)
	slices.Sort(service)
	p50 := func(sorted []time.Duration) float64 { return float64(sorted[len(sorted)/2]) }
	b.ReportMetric(p50(direct)/1e3, "direct-µs")
	b.ReportMetric(p50(service)/1e3, "service-µs")
	b.ReportMetric(p50(service)/p50(direct), "ratio")
}
