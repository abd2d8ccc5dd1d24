package rules

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Forgotten says which connections to an address are to be forgotten.
type Forgotten int

const (
	// Connectionless are all but those of TCP, whose clients find out themselves that
	// a backend ends, as long as its last packets still find back to them.
	Connectionless Forgotten = iota
	All
)

// FlushConntrack makes the router, whose network namespace is given as a file
// descriptor, forget the connections to addresses, and returns how many there were:
// what a client of a gone backend sends next goes to another one. Without it, UDP
// from one port would go on to the gone backend for as long as it keeps coming.
func FlushConntrack(router int, addresses map[netip.Addr]Forgotten) (int, error) {
	if len(addresses) == 0 {
		return 0, nil
	}
	return flush(router, answeredBy(addresses))
}

func flush(router int, which netlink.CustomConntrackFilter) (int, error) {
	handle, err := netlink.NewHandleAt(netns.NsHandle(router), unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, fmt.Errorf("flush connections: %w", err)
	}
	defer handle.Close()
	n, err := handle.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, which)
	if err != nil {
		return int(n), fmt.Errorf("flush connections: %w", err)
	}
	return int(n), nil
}

// answeredBy are those whose answers a connection waits for, wherever it was meant
// to go.
type answeredBy map[netip.Addr]Forgotten

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (a answeredBy) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	which, found := a[addressOf(flow.Reverse.SrcIP)]
	return found && (which == All || flow.Forward.Protocol != unix.IPPROTO_TCP) && !isOver(flow)
}

// isOver says that a TCP connection is over. Its client may begin another one from the
// same port at any time, also between the kernel's list and our word to delete: the
// kernel likes to take the same memory for it, and by that tells connections apart
// (nf_ct_get_id). It would delete the new one, of which nobody would hear again.
func isOver(flow *netlink.ConntrackFlow) bool {
	const timeWait, closed = 7, 8 // of enum tcp_conntrack, linux/netfilter/nf_conntrack_tcp.h
	tcp, is := flow.ProtoInfo.(*netlink.ProtoInfoTCP)
	return is && (tcp.State == timeWait || tcp.State == closed)
}

func addressOf(ip net.IP) netip.Addr {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap()
}
