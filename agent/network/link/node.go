package link

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netns"

	"github.com/orc-project/orc/agent/network/scheme"
)

// Node is one node's network. Its methods may be called at the same time. What an
// error left half done, the next call or Restore mends.
type Node struct {
	dir string

	mu     sync.Mutex
	host   *space
	router *space
	// state is what was last asked for; nil before the first Apply, when what the
	// router has of the overlay is a former process's and stays.
	state *State
	reach reach // state's
	// whole says that the kernel has what state says, as far as we know.
	whole bool
	// tunnel is what the overlay's link was made from, mtu what it lets through.
	tunnel tunnel
	mtu    int
	// attached are the containers that this process attached, by task.
	attached map[string]Attachment
	closed   bool
}

// Open finds or makes the router in dir and its pair with the host, which is the
// calling process's network namespace. What a former process left of overlay and
// containers goes on working, until Apply and Attach say what is to be.
func Open(dir string) (*Node, error) {
	own, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the host's network namespace: %w", err)
	}
	return open(dir, int(own))
}

// open takes over the host's namespace, whether it succeeds or not.
func open(dir string, namespace int) (*Node, error) {
	n := &Node{dir: dir, attached: make(map[string]Attachment)}
	var err error
	if n.host, err = newSpace(namespace); err != nil {
		return nil, err
	}
	if err := n.openRouter(); err != nil {
		return nil, errors.Join(err, n.host.close())
	}
	if err := n.Restore(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) openRouter() error {
	if err := makeDir(n.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(n.tasksDir(), 0o700); err != nil {
		return err
	}
	var err error
	if n.router, err = spaceAt(n.routerPath()); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	return nil
}

func (n *Node) routerPath() string          { return filepath.Join(n.dir, "router") }
func (n *Node) tasksDir() string            { return filepath.Join(n.dir, "tasks") }
func (n *Node) taskPath(task string) string { return filepath.Join(n.tasksDir(), task) }

// Router is a descriptor of the router's namespace, valid until Close.
func (n *Node) Router() int { return n.router.fd }

// HostNS is a descriptor of the host's namespace, valid until Close.
func (n *Node) HostNS() int { return n.host.fd }

// Apply makes the state so, and keeps its slices. It writes what differs from the
// state before: what costs little when little changed.
func (n *Node) Apply(state State) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return os.ErrClosed
	}
	had := n.reach
	n.state, n.reach = &state, state.reach()
	if !n.whole || n.tunnel != tunnelOf(&state) {
		return n.restore()
	}
	err := n.router.update(had.without(n.reach).table(), n.reach.without(had).table())
	n.whole = err == nil
	return err
}

// Restore reads back what the kernel has, makes what is missing and removes from
// orc's links what does not belong there. Containers that this process has not
// attached are left alone, and so is the inside of containers that are connected:
// one that may change its own network is let do it.
func (n *Node) Restore() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return os.ErrClosed
	}
	return n.restore()
}

func (n *Node) restore() (err error) {
	defer func() { n.whole = err == nil && n.state != nil }()
	if !isNamespace(n.router.fd, n.routerPath()) {
		if err := bindNamespace(n.router.fd, n.routerPath()); err != nil {
			return err
		}
	}
	at, err := n.readHost()
	if err != nil {
		return err
	}
	n.mtu = at.MTU - scheme.VXLANOverhead
	if err := n.restorePair(at.MTU); err != nil {
		return err
	}
	if err := n.router.raiseLoopback(); err != nil {
		return err
	}
	if n.state != nil {
		if err := n.restoreOverlay(at); err != nil {
			return err
		}
	}
	return errors.Join(n.restoreHost(), n.restoreRouter())
}

func (n *Node) restoreHost() error {
	err := n.host.settle(func(link string) bool { return link == scheme.HostLink }, hostTable())
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	return nil
}

func (n *Node) restoreRouter() error {
	links, err := n.router.links()
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	want := routerTable()
	mine := map[string]bool{"lo": true, scheme.Uplink: true}
	if n.state != nil {
		maps.Copy(want, n.state.overlayTable(n.reach))
		mine[scheme.Overlay], mine[""] = true, true
	}
	var errs []error
	for task, each := range n.attached {
		if !n.connected(links[each.Link], each) {
			errs = append(errs, n.connect(task, each))
		}
		mine[each.Link] = true
		maps.Copy(want, each.routerTable())
	}
	if err := n.router.settle(func(link string) bool { return mine[link] }, want); err != nil {
		errs = append(errs, fmt.Errorf("router: %w", err))
	}
	return errors.Join(errs...)
}

// Close lets go of the network, and changes nothing in it.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	return errors.Join(n.router.close(), n.host.close())
}

// Remove removes all of it from the host, and closes the node.
func (n *Node) Remove() error {
	tasks, err := n.Containers()
	errs := []error{err}
	for _, each := range tasks {
		errs = append(errs, n.Detach(each))
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return os.ErrClosed
	}
	// The kernel ends a namespace in its own time; these are gone at once.
	errs = append(errs, n.router.remove(scheme.Overlay), n.host.remove(scheme.HostLink))
	n.mu.Unlock()
	errs = append(errs, n.Close(), removeNamespace(n.routerPath()))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := unbind(n.dir); err != nil {
		return err
	}
	return os.RemoveAll(n.dir)
}
