package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Changes are gathered for settleTime before they are told, for a container's start
// makes some twenty, and told once in pace at most: who looks at all there is after
// each of them has something else to do, too.
const (
	settleTime = 100 * time.Millisecond
	pace       = time.Second
)

// What is watched in either namespace. In the host's, neighbours are others' affair.
var (
	hostGroups   = []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_NETCONF}
	routerGroups = append(hostGroups[:len(hostGroups):len(hostGroups)], unix.RTNLGRP_NEIGH)
)

// Watch says that something changed in the router or the host, whoever did it: time
// for Restore, and for Host. The channel holds one such word, and is closed some
// time after ctx ended.
func (n *Node) Watch(ctx context.Context) (<-chan struct{}, error) {
	changes := make(chan struct{}, 1)
	var sockets []*nl.NetlinkSocket
	var err error
	for _, each := range []struct {
		in     *space
		groups []uint
	}{{n.host, hostGroups}, {n.router, routerGroups}} {
		var socket *nl.NetlinkSocket
		if e := within(each.in.fd, func() (err error) {
			socket, err = nl.Subscribe(unix.NETLINK_ROUTE, each.groups...)
			return err
		}); e != nil {
			err = errors.Join(err, fmt.Errorf("watch links and routes: %w", e))
			continue
		}
		sockets = append(sockets, socket)
	}
	if err != nil {
		closeAll(sockets)
		return nil, err
	}
	raw := make(chan struct{}, 1)
	var readers sync.WaitGroup
	for _, each := range sockets {
		readers.Go(func() { listen(each, raw) })
	}
	go func() {
		gather(ctx, raw, changes)
		closeAll(sockets)
		readers.Wait()
		close(changes)
	}()
	return changes, nil
}

func closeAll(sockets []*nl.NetlinkSocket) {
	for _, each := range sockets {
		each.Close()
	}
}

// listen passes on that there was a message, until the socket is closed. Messages
// that were lost for want of space (ENOBUFS) were messages, too.
func listen(socket *nl.NetlinkSocket, raw chan<- struct{}) {
	for {
		if _, _, err := socket.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			return
		}
		wake(raw)
	}
}

// gather passes on many changes as one.
func gather(ctx context.Context, raw <-chan struct{}, changes chan<- struct{}) {
	var told time.Time
	for {
		select {
		case <-raw:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(max(settleTime, pace-time.Since(told))):
		case <-ctx.Done():
			return
		}
		select {
		case <-raw: // it came while the others were gathered
		default:
		}
		told = time.Now()
		wake(changes)
	}
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
