package link

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// space is a network namespace as this package works in it.
type space struct {
	fd     int
	handle *netlink.Handle
	// indices are those of links, by name. Who makes or reads a link keeps them.
	indices map[string]int
}

// spaceAt opens the namespace that is bound to path, or makes one.
func spaceAt(path string) (*space, error) {
	fd, err := openNamespace(path)
	if errors.Is(err, os.ErrNotExist) {
		fd, err = makeNamespace(path)
	}
	if err != nil {
		return nil, err
	}
	return newSpace(fd)
}

// newSpace takes over the descriptor, whether it succeeds or not.
func newSpace(fd int) (*space, error) {
	s := &space{fd: fd, indices: make(map[string]int)}
	if err := within(fd, func() (err error) {
		s.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return s, nil
}

func (s *space) close() error {
	s.handle.Close()
	return unix.Close(s.fd)
}

func (s *space) index(link string) (int, error) {
	if index, found := s.indices[link]; found {
		return index, nil
	}
	return 0, fmt.Errorf("there is no link %s", link)
}

// link finds one by name; nil if there is none.
func (s *space) link(name string) (netlink.Link, error) {
	link, err := s.handle.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		delete(s.indices, name)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for link %s: %w", name, err)
	}
	s.indices[name] = link.Attrs().Index
	return link, nil
}

// remove removes a link by name. One that is not there is no error.
func (s *space) remove(name string) error {
	link, err := s.link(name)
	if link == nil || err != nil {
		return err
	}
	delete(s.indices, name)
	if err := ignore(s.handle.LinkDel(link), unix.ENODEV); err != nil {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// links lists those there are, by name.
func (s *space) links() (map[string]netlink.Link, error) {
	all, err := dump(s.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	found := make(map[string]netlink.Link, len(all))
	clear(s.indices)
	for _, each := range all {
		found[each.Attrs().Name] = each
		s.indices[each.Attrs().Name] = each.Attrs().Index
	}
	return found, nil
}

// shape makes a link what it is to be. It must be one that exists.
func (s *space) shape(link netlink.Link, mtu int, address mac) error {
	have := link.Attrs()
	if have.MTU != mtu {
		if err := s.handle.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set MTU %d of %s: %w", mtu, have.Name, err)
		}
	}
	if have.HardwareAddr.String() != address.String() {
		if err := s.handle.LinkSetHardwareAddr(link, address[:]); err != nil {
			return fmt.Errorf("set address %s of %s: %w", address, have.Name, err)
		}
	}
	return s.raise(link)
}

// noAddress keeps a link from making itself an IPv6 address (IN6_ADDR_GEN_MODE_NONE).
const noAddress = 1

// withoutIPv6 is for links that are not up yet: there is nobody to talk to over them,
// and programs need not find that out by waiting. A sysctl would do it too, but costs
// the more the more namespaces there are.
func (s *space) withoutIPv6(link netlink.Link) error {
	err := s.handle.LinkSetIP6AddrGenMode(link, noAddress)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("keep link %s without IPv6: %w", link.Attrs().Name, err)
	}
	return nil
}

func (s *space) raise(link netlink.Link) error {
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return nil
	}
	if err := s.handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

func (s *space) raiseLoopback() error {
	lo, err := s.link("lo")
	if err != nil {
		return err
	}
	return s.raise(lo)
}

// read is what the kernel has on the links that mine names, or nowhere if mine("")
// says so, and the settings among want.
func (s *space) read(mine func(link string) bool, want table) (table, error) {
	names := make(map[int]string)
	for name, index := range s.indices {
		if mine(name) {
			names[index] = name
		}
	}
	have := make(table)
	for _, part := range []func(map[int]string, table) error{s.readAddresses, s.readNeighbours, s.readForwards} {
		if err := part(names, have); err != nil {
			return nil, err
		}
	}
	if mine("") {
		names[0] = ""
	}
	if err := s.readRoutes(names, have); err != nil {
		return nil, err
	}
	return have, s.readSettings(want, have)
}

func (s *space) readAddresses(names map[int]string, have table) error {
	all, err := dump(func() ([]netlink.Addr, error) { return s.handle.AddrList(nil, unix.AF_INET) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, each := range all {
		if name, found := names[each.LinkIndex]; found {
			have.add(address{link: name, prefix: prefixOf(each.IPNet)})
		}
	}
	return nil
}

// readNeighbours leaves out those that the kernel has found itself.
func (s *space) readNeighbours(names map[int]string, have table) error {
	all, err := dump(func() ([]netlink.Neigh, error) { return s.handle.NeighList(0, unix.AF_INET) })
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, each := range all {
		name, found := names[each.LinkIndex]
		if found && each.State&unix.NUD_PERMANENT != 0 && len(each.HardwareAddr) == len(mac{}) {
			have.add(neighbour{link: name, ip: addrOf(each.IP), mac: mac(each.HardwareAddr)})
		}
	}
	return nil
}

// readForwards reads those of tunnels: other links name no host.
func (s *space) readForwards(names map[int]string, have table) error {
	all, err := dump(func() ([]netlink.Neigh, error) { return s.handle.NeighList(0, unix.AF_BRIDGE) })
	if err != nil {
		return fmt.Errorf("list forwards: %w", err)
	}
	for _, each := range all {
		name, found := names[each.LinkIndex]
		if found && each.IP != nil && len(each.HardwareAddr) == len(mac{}) {
			have.add(forward{link: name, mac: mac(each.HardwareAddr), host: addrOf(each.IP)})
		}
	}
	return nil
}

func (s *space) readRoutes(names map[int]string, have table) error {
	all, err := dump(func() ([]netlink.Route, error) { return s.handle.RouteList(nil, unix.AF_INET) })
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, each := range all {
		name, found := names[each.LinkIndex]
		if !found {
			continue
		}
		read := route{
			slot: slot{prefix: prefixOf(each.Dst), metric: each.Priority, tos: each.Tos},
			link: name, via: addrOf(each.Gw), source: addrOf(each.Src), kind: each.Type,
		}
		switch other := have[read.key()].(type) {
		case nil:
			have.add(read)
		case route:
			have.add(&crowd{slot: read.slot, routes: []route{other, read}})
		case *crowd:
			other.routes = append(other.routes, read)
		}
	}
	return nil
}

func (s *space) readSettings(want, have table) error {
	return within(s.fd, func() error {
		for _, each := range want {
			wanted, is := each.(setting)
			if !is {
				continue
			}
			value, err := os.ReadFile("/proc/sys/" + wanted.path)
			switch {
			case wanted.tooEarly(err):
				have.add(wanted) // there is nothing to set
			case errors.Is(err, os.ErrNotExist): // its link is gone
			case err != nil:
				return err
			default:
				have.add(setting{path: wanted.path, value: strings.TrimSpace(string(value))})
			}
		}
		return nil
	})
}

// dump lists again what changed while it was listed.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for attempts := 10; ; attempts-- {
		found, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) || attempts == 0 {
			return found, err
		}
	}
}

// hasIPv6 says whether the kernel has it: it may have been started without.
var hasIPv6 = func() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}
