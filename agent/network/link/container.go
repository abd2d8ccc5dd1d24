package link

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

// Attach gives a task its namespace and connects it, and returns the namespace's
// path. One that has it all keeps it, and its connections: an agent that starts
// attaches what is running.
func (n *Node) Attach(task string, a Attachment) (namespace string, err error) {
	if err := a.validate(task); err != nil {
		return "", err
	}
	inside, err := spaceAt(n.taskPath(task))
	if err != nil {
		return "", fmt.Errorf("attach task %s: %w", task, err)
	}
	if err := errors.Join(n.attach(task, inside, a), inside.close()); err != nil {
		return "", fmt.Errorf("attach task %s: %w", task, err)
	}
	return n.taskPath(task), nil
}

func (n *Node) attach(task string, inside *space, a Attachment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return os.ErrClosed
	}
	if err := n.wire(inside, a); err != nil {
		return err
	}
	if err := n.router.update(nil, a.routerTable()); err != nil {
		return err
	}
	n.attached[task] = a
	return nil
}

func (a *Attachment) validate(task string) error {
	switch {
	case task == "" || task != filepath.Base(task) || task[0] == '.':
		return fmt.Errorf("task %q is no name for a namespace", task)
	case a.Link == "" || len(a.Link) >= unix.IFNAMSIZ:
		return fmt.Errorf("task %s: %q is no name for a link", task, a.Link)
	case len(a.Networks) == 0:
		return fmt.Errorf("task %s is on no network", task)
	}
	return nil
}

// connect makes a task's namespace and its pair with the router, or what of it is
// missing.
func (n *Node) connect(task string, a Attachment) error {
	inside, err := spaceAt(n.taskPath(task))
	if err != nil {
		return err
	}
	return errors.Join(n.wire(inside, a), inside.close())
}

func (n *Node) wire(inside *space, a Attachment) error {
	if err := inside.raiseLoopback(); err != nil {
		return err
	}
	near, far, err := n.containerPair(inside, a)
	if err != nil {
		return err
	}
	if err := n.router.shape(near, n.mtuOf(a), mac(scheme.GatewayMAC)); err != nil {
		return err
	}
	if err := inside.withoutIPv6(far); err != nil {
		return err
	}
	if err := inside.shape(far, n.mtuOf(a), a.mac()); err != nil {
		return err
	}
	for _, each := range a.Networks {
		// In order: programs take the first for the container's own.
		if err := (address{scheme.ContainerLink, host(each.Address)}).set(inside); err != nil {
			return err
		}
	}
	return inside.update(nil, a.containerTable())
}

// containerPair finds the pair of the two namespaces, or makes it.
func (n *Node) containerPair(inside *space, a Attachment) (near, far netlink.Link, err error) {
	if near, err = n.router.link(a.Link); err != nil {
		return nil, nil, err
	}
	if far, err = inside.link(scheme.ContainerLink); err != nil {
		return nil, nil, err
	}
	if near != nil && far != nil && peers(near, far) {
		return near, far, nil
	}
	if err := errors.Join(n.router.remove(a.Link), inside.remove(scheme.ContainerLink)); err != nil {
		return nil, nil, err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = a.Link, n.mtuOf(a), scheme.GatewayMAC
	address := a.mac()
	pair := &netlink.Veth{
		LinkAttrs: attributes,
		PeerName:  scheme.ContainerLink, PeerHardwareAddr: address[:], PeerNamespace: netlink.NsFd(inside.fd),
	}
	if err := n.router.handle.LinkAdd(pair); err != nil {
		return nil, nil, fmt.Errorf("make link %s: %w", a.Link, err)
	}
	if near, err = n.router.link(a.Link); err != nil {
		return nil, nil, err
	}
	if far, err = inside.link(scheme.ContainerLink); err != nil {
		return nil, nil, err
	}
	if near == nil || far == nil {
		return nil, nil, fmt.Errorf("make link %s: %w", a.Link, unix.ENODEV)
	}
	return near, far, nil
}

func (a *Attachment) mac() mac { return mac(scheme.ContainerMAC(a.Networks[0].Address)) }

func (n *Node) mtuOf(a Attachment) int {
	if a.MTU != 0 {
		return a.MTU
	}
	return n.mtu
}

// connected says whether a container's link is as it was made: both ends up, the
// MTU the one that is wanted.
func (n *Node) connected(link netlink.Link, a Attachment) bool {
	const up = unix.IFF_UP | unix.IFF_LOWER_UP
	return link != nil && link.Attrs().RawFlags&up == up && link.Attrs().MTU == n.mtuOf(a)
}

// Detach removes a task's link and namespace. A task that has none is no error, nor
// is one that another process attached.
func (n *Node) Detach(task string) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return os.ErrClosed
	}
	delete(n.attached, task)
	n.mu.Unlock() // the kernel takes its time for what follows
	if err := disconnect(n.taskPath(task)); err != nil {
		return fmt.Errorf("detach task %s: %w", task, err)
	}
	return removeNamespace(n.taskPath(task))
}

// disconnect removes a container's pair: with the one end goes the other, and all
// that the router has of it.
func disconnect(path string) error {
	fd, err := openNamespace(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	inside, err := newSpace(fd)
	if err != nil {
		return err
	}
	return errors.Join(inside.remove(scheme.ContainerLink), inside.close())
}

// Containers lists the tasks that have a namespace, or the remains of one: those
// that run nowhere are to be detached. Sorted.
func (n *Node) Containers() ([]string, error) {
	entries, err := os.ReadDir(n.tasksDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	tasks := make([]string, 0, len(entries))
	for _, each := range entries {
		tasks = append(tasks, each.Name())
	}
	return tasks, nil
}
