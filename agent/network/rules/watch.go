package rules

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Watch tells when somebody else has changed orc's tables, or when that may have
// gone unseen: it is time to Restore. What this Table writes wakes nobody. The
// channel holds one wake-up, and is closed when the context ends or the kernel tells
// nothing any more. A Table has one watch at a time.
func (t *Table) Watch(ctx context.Context) (<-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.host.listener != nil {
		return nil, errors.New("watch nftables: there is a watch already")
	}
	if err := errors.Join(t.host.listen(), t.router.listen()); err != nil {
		t.host.ignore()
		t.router.ignore()
		return nil, err
	}
	// One that is deaf ends the watch.
	ctx, end := context.WithCancel(ctx)
	changed := make(chan struct{}, 1)
	var listening sync.WaitGroup
	for _, socket := range []*netlink.Conn{t.host.listener, t.router.listener} {
		listening.Go(func() {
			defer end()
			hear(socket, changed)
		})
	}
	listening.Go(func() {
		<-ctx.Done()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.host.ignore()
		t.router.ignore()
	})
	go func() {
		defer end()
		listening.Wait()
		close(changed)
	}()
	return changed, nil
}

// listen opens a socket that hears of all changes but the space's own.
func (s *space) listen() error {
	socket, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{
		NetNS:  s.namespace,
		Groups: 1 << (unix.NFNLGRP_NFTABLES - 1),
	})
	if err != nil {
		return fmt.Errorf("listen to nftables of the %s: %w", s.name, err)
	}
	s.listener = socket
	return s.deafen()
}

// ignore closes it.
func (s *space) ignore() {
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
}

// deafen lets the listener hear nothing of what the space itself does: a filter in
// the kernel drops messages whose header names the space's socket as their cause.
// The kernel would fill the listener's buffer with them otherwise.
func (s *space) deafen() error {
	if s.listener == nil {
		return nil
	}
	own, err := portOf(s.socket)
	if err != nil {
		return fmt.Errorf("listen to nftables of the %s: %w", s.name, err)
	}
	if native(1)[0] == 1 {
		own = bits.ReverseBytes32(own) // the filter loads numbers of the network
	}
	const portOffset = 12 // nlmsg_pid of struct nlmsghdr
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: portOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: own, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: ^uint32(0)},
	})
	if err != nil {
		return fmt.Errorf("listen to nftables of the %s: %w", s.name, err)
	}
	if err := s.listener.SetBPF(filter); err != nil {
		return fmt.Errorf("listen to nftables of the %s: %w", s.name, err)
	}
	return nil
}

// portOf is the number that netlink knows a socket by.
func portOf(socket *netlink.Conn) (uint32, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var name unix.Sockaddr
	if control := raw.Control(func(fd uintptr) { name, err = unix.Getsockname(int(fd)) }); control != nil || err != nil {
		return 0, errors.Join(control, err)
	}
	bound, ok := name.(*unix.SockaddrNetlink)
	if !ok {
		return 0, errors.New("not a netlink socket")
	}
	return bound.Pid, nil
}

// hear wakes until the socket is closed or broken.
func hear(socket *netlink.Conn, changed chan<- struct{}) {
	for {
		messages, err := socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS): // more than it can hold: something was missed
		case err != nil:
			return
		case !concerns(messages):
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// concerns reports whether one of the messages is about orc's table.
func concerns(messages []netlink.Message) bool {
	for _, m := range messages {
		if len(m.Data) < 4 || m.Data[0] != unix.NFPROTO_IPV4 || m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN {
			continue
		}
		attributes, err := parse(m.Data[4:])
		// Tables, chains, rules and sets have their table's name in the same place.
		if err != nil || strings.TrimRight(string(attributes[unix.NFTA_TABLE_NAME]), "\x00") == tableName {
			return true
		}
	}
	return false
}
