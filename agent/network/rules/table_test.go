package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// openTable returns a table in two namespaces of its own.
func openTable(t testing.TB) *Table {
	t.Helper()
	table, err := Open(int(newNamespace(t)), int(newNamespace(t)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, table.Close()) })
	return table
}

// mutate changes a few things of a state, at random.
func mutate(r *rand.Rand, s State) State {
	s = s.clone()
	address := func(network byte, n int) netip.Addr {
		return netip.AddrFrom4([4]byte{10, network, byte(n >> 8), byte(n)})
	}
	for range 1 + r.IntN(8) {
		switch r.IntN(9) {
		case 0, 1, 2:
			key := address(0, r.IntN(60))
			delete(s.Services, key)
			for range r.IntN(6) {
				s.Services[key] = append(s.Services[key], address(1, r.IntN(200)))
			}
		case 3, 4:
			key := Port{Proto: []uint8{6, 17}[r.IntN(2)], Number: uint16(8000 + r.IntN(20))}
			delete(s.Ports, key)
			published := Published{}
			if r.IntN(3) == 0 {
				published.HostIP = address(9, r.IntN(3))
			}
			for range r.IntN(4) {
				published.Backends = append(published.Backends, netip.AddrPortFrom(address(2, r.IntN(200)), uint16(80+r.IntN(3))))
			}
			if r.IntN(4) > 0 {
				s.Ports[key] = published
			}
		case 5:
			link := fmt.Sprintf("c%d", r.IntN(20))
			delete(s.Containers, link)
			if r.IntN(3) > 0 {
				n := int(link[1])*10 + len(link)
				s.Containers[link] = Container{Addresses: []netip.Addr{address(1, n), address(2, n)}[:1+r.IntN(2)], Egress: r.IntN(2) == 0}
			}
		case 6:
			s.Nodes = nil
			for n := range r.IntN(5) {
				s.Nodes = append(s.Nodes, uint16(n*300+1))
			}
		case 7:
			s.HostAddresses = nil
			for n := range r.IntN(3) {
				s.HostAddresses = append(s.HostAddresses, address(9, n))
			}
			s.Egress = nil
			for _, prefix := range []string{"0.0.0.0/0", "10.9.0.0/16", "10.9.9.0/24", "192.168.0.0/16", "255.255.255.255/32"} {
				if r.IntN(2) == 0 {
					s.Egress = append(s.Egress, Egress{netip.MustParsePrefix(prefix), address(9, r.IntN(2))})
				}
			}
		case 8:
			s.Subnets = nil
			for n := range r.IntN(6) {
				s.Subnets = append(s.Subnets, Subnet{netip.PrefixFrom(address(byte(n), 0), 16+r.IntN(9)), r.IntN(3) == 0})
			}
		}
	}
	return s
}

// What was meant is what the kernel has, whichever way led there.
func TestTheKernelHasWhatIsMeant(t *testing.T) {
	table := openTable(t)
	r := rand.New(rand.NewPCG(1, 2))
	var s State
	for round := range 300 {
		s = mutate(r, s)
		require.NoError(t, table.Apply(s), "round %d: %+v", round, s)
		if round%50 == 20 { // as after a restart
			table.plan = newPlan(s)
		}
		found, err := table.Restore()
		require.NoError(t, err)
		require.Empty(t, found, "round %d: %+v", round, s)
	}
	require.NoError(t, table.Remove())
}
