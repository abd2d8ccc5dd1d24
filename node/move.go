package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/network"
	"github.com/orc-project/orc/agent/network/link"
	"github.com/orc-project/orc/agent/session"
)

// errMoved ends a manager's part: it begins again at the host's new address.
var errMoved = errors.New("the host's address has changed")

// lookAgain is how often the host's addresses are looked at without the kernel's word
// that they have changed.
const lookAgain = 30 * time.Second

// advertised is where others reach this node (host:port), and a channel that is closed
// when that is another place.
func (n *process) advertised() (address string, moved <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Advertise, n.moved
}

// watchAddress tells the node's parts when the host's addresses have changed, and
// follows its address until ctx ends, unless it was told which one to advertise.
//
//	kernel: an address is gone ──▶ agent: connects anew if its session was by it
//	another one has settled    ──▶ agent: tells it, and its network sends from it
//	                           ──▶ manager: ends, and begins again there
func (n *process) watchAddress(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	changes, err := link.WatchAddresses(ctx)
	if err != nil {
		n.log.Warn("the kernel does not tell when this host's addresses change: they are looked at now and then", zap.Error(err))
	} else {
		defer func() { // it has let go of the kernel
			cancel()
			for range changes {
			}
		}()
	}
	defer cancel()
	address, _ := n.advertised()
	home := &residence{}
	home.address, _ = netip.ParseAddr(hostOf(address)) // valid: Validate has looked
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes:
			wake(n.readdressed)
		case <-look.C:
		}
		again := lookAgain
		if n.config.auto {
			again = min(again, n.lookAtAddress(home))
		}
		look.Reset(again)
	}
}

// lookAtAddress brings the node to where its host is now, and returns how soon to look
// again.
func (n *process) lookAtAddress(home *residence) time.Duration {
	at, err := sceneOf(home.address)
	if err != nil {
		n.log.Warn("this host's addresses cannot be read", zap.Error(err))
		return lookAgain
	}
	from, away := home.address, !home.missing.IsZero()
	moved, again := home.look(at, time.Now())
	switch {
	case moved:
		n.log.Info("this host's address has changed: going on at the new one",
			zap.Stringer("from", from), zap.Stringer("to", home.address), zap.String("link", home.link))
		n.move(home.address)
	case !away && !home.missing.IsZero():
		n.log.Warn("this host has not got its address any more: waiting for another one",
			zap.Stringer("address", from), zap.String("link", home.link))
	}
	if again == 0 {
		return lookAgain
	}
	return again
}

// move makes the node one that is reached at another address.
func (n *process) move(to netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, port, err := net.SplitHostPort(n.config.Advertise)
	if err != nil {
		n.log.Error("the node's address is none", zap.Error(err)) // Validate has looked
		return
	}
	from := n.config.Advertise
	n.config.Advertise = net.JoinHostPort(to.String(), port)
	for i, each := range n.identity.Managers {
		if each == from { // else it would ask itself, until it hears of its own news
			n.identity.Managers = slices.Concat(n.identity.Managers[:i], []string{n.config.Advertise}, n.identity.Managers[i+1:])
		}
	}
	close(n.moved)
	n.moved = make(chan struct{})
}

// relocate keeps the node's network at its address, and has the agent tell which that is.
func (n *process) relocate(ctx context.Context, fabric *network.Fabric, client *session.Client) error {
	before, moved := n.advertised()
	for {
		if fabric.Relocate(n.address()) {
			wake(n.describing)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
		if lost, err := netip.ParseAddr(hostOf(before)); err == nil {
			client.Lost(lost) // a manager's agent may be about to leave its own
		}
		before, moved = n.advertised()
	}
}

// here says whether this host has an address.
func (n *process) here(address netip.Addr) bool {
	addresses, err := link.Addresses()
	if err != nil {
		n.log.Warn("this host's addresses cannot be read", zap.Error(err))
		return true
	}
	return slices.ContainsFunc(addresses, func(a link.Address) bool { return a.IP == address })
}

// sceneOf reads what the host looks like to one at an address.
func sceneOf(address netip.Addr) (scene, error) {
	addresses, err := link.Addresses()
	if err != nil {
		return scene{}, err
	}
	links, err := net.Interfaces()
	if err != nil {
		return scene{}, fmt.Errorf("list the host's links: %w", err)
	}
	names := make(map[int]string, len(links)) // which they keep when they are made anew
	for _, each := range links {
		names[each.Index] = each.Name
	}
	var at scene
	for _, each := range addresses {
		if each.Usable && !each.IP.IsLoopback() {
			at.places = append(at.places, place{address: each.IP, link: names[each.Link]})
		}
	}
	target := "192.0.2.1:9"
	if address.Is6() {
		target = "[2001:db8::1]:9"
	}
	if source, err := sourceTo(target); err == nil {
		at.route, _ = netip.ParseAddr(source) // of none it is not valid
	}
	return at, nil
}

// untilMoved plays a part to its end, or until the node is reached at another address:
// then the error is errMoved.
func (n *process) untilMoved(ctx context.Context, part func(context.Context) error) error {
	_, moved := n.advertised()
	here, leave := context.WithCancel(ctx)
	defer leave()
	left := make(chan bool, 1)
	go func() {
		select {
		case <-moved:
			leave()
			left <- true
		case <-here.Done():
			left <- false
		}
	}()
	err := part(here)
	leave()
	if !<-left || ctx.Err() != nil || errors.Is(err, errRoleChanged) {
		return err
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		n.log.Warn("this manager did not end well at the old address", zap.Error(err))
	}
	return errMoved
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
