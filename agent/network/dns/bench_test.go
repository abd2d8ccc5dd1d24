package dns

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// manyServices is a network of 10,000 services as an asker on the loopback sees it.
func manyServices() (Table, map[string][]netip.Addr) {
	set := map[string][]netip.Addr{}
	for i := range 10_000 {
		vip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		name := fmt.Sprintf("app_service%d", i)
		set[name], set["tasks."+name] = []netip.Addr{vip}, []netip.Addr{vip.Next(), vip}
	}
	asker := Asker{Networks: []string{"n"}, App: "app"}
	return Table{
		Askers:   map[netip.Addr]Asker{loopback: asker, web: asker},
		Networks: map[string]*Network{"n": {Name: "app_default", Names: Map[string, []netip.Addr]{}.With(set)}},
	}, set
}

// BenchmarkAnswer is the work of one answer, without the network.
func BenchmarkAnswer(b *testing.B) {
	table, _ := manyServices()
	s := newServer(table)
	query, err := question("service77", dns.TypeA).SetEdns0(1232, false).Pack()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if reply, _ := s.begin(query, web, false); reply == nil {
			b.Fatal("no answer")
		}
	}
}

// BenchmarkServe is answers through sockets of the loopback, to askers that wait for
// each.
func BenchmarkServe(b *testing.B) {
	table, _ := manyServices()
	server := start(b, newServer(table))
	query, err := question("service77", dns.TypeA).Pack()
	require.NoError(b, err)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("udp", server)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		buffer := make([]byte, dns.MinMsgSize)
		for pb.Next() {
			if _, err := conn.Write(query); err != nil {
				b.Error(err)
				return
			}
			if _, err := conn.Read(buffer); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkUpdate is one service's change among 10,000, until it is answered.
func BenchmarkUpdate(b *testing.B) {
	table, _ := manyServices()
	s := newServer(table)
	network := *table.Networks["n"]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		vip := netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
		next := network
		next.Names = network.Names.With(map[string][]netip.Addr{"app_service77": {vip}, "tasks.app_service77": {vip}})
		network = next
		s.Update(Table{Askers: table.Askers, Networks: map[string]*Network{"n": &next}})
	}
}

// BenchmarkLoad is a network of 10,000 services from nothing.
func BenchmarkLoad(b *testing.B) {
	_, set := manyServices()
	for b.Loop() {
		Map[string, []netip.Addr]{}.With(set)
	}
}
