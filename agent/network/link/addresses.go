package link

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Address is one of this host's, of either family.
type Address struct {
	IP netip.Addr
	// Link is the index of the link that has it.
	Link int
	// Usable says that connections may be made from it: that the kernel has not found it
	// to be another host's, nor is still looking.
	Usable bool
}

// Addresses are those of the calling process's network namespace, in the kernel's order.
func Addresses() ([]Address, error) {
	found, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("list the host's addresses: %w", err)
	}
	addresses := make([]Address, 0, len(found))
	for _, each := range found {
		const unsure = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
		addresses = append(addresses, Address{IP: addrOf(each.IP), Link: each.LinkIndex, Usable: each.Flags&unsure == 0})
	}
	return slices.Clip(addresses), nil
}

// WatchAddresses says that addresses or routes of the calling process's network
// namespace have changed. The channel holds one such word, and is closed some time after
// ctx ended.
func WatchAddresses(ctx context.Context) (<-chan struct{}, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch the host's addresses: %w", err)
	}
	changes, raw := make(chan struct{}, 1), make(chan struct{}, 1)
	var reader sync.WaitGroup
	reader.Go(func() { listen(socket, raw) })
	go func() {
		gather(ctx, raw, changes)
		socket.Close()
		reader.Wait()
		close(changes)
	}()
	return changes, nil
}
