package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The order of entries: what is sent needs a source, a next hop and a way there.
const (
	rankSetting = iota
	rankAddress
	rankNeighbour
	rankForward
	rankRoute
)

type mac [6]byte

func (m mac) String() string { return net.HardwareAddr(m[:]).String() }

// address is one of a link's.
type address struct {
	link   string
	prefix netip.Prefix
}

func (a address) key() any       { return a }
func (a address) rank() int      { return rankAddress }
func (a address) String() string { return fmt.Sprintf("address %s of %s", a.prefix, a.link) }

func (a address) set(s *space) error {
	link, err := s.index(a.link)
	if err != nil {
		return err
	}
	return s.handle.AddrReplace(nil, a.message(link))
}

func (a address) unset(s *space) error {
	link, err := s.index(a.link)
	if err != nil {
		return nil // and its addresses with it
	}
	return ignore(s.handle.AddrDel(nil, a.message(link)), unix.EADDRNOTAVAIL, unix.ENODEV)
}

func (a address) message(link int) *netlink.Addr {
	m := &netlink.Addr{IPNet: ipNet(a.prefix), LinkIndex: link}
	if a.prefix.Addr().IsLoopback() {
		m.Scope = unix.RT_SCOPE_HOST // else it would be the source of packets to others
	}
	return m
}

// neighbour is the Ethernet address of a next hop, known for good: it is not asked
// for, and does not count for the kernel's limit (gc_thresh3, for all namespaces
// together).
type neighbour struct {
	link string
	ip   netip.Addr
	mac  mac
}

func (n neighbour) key() any  { return neighbour{link: n.link, ip: n.ip} }
func (n neighbour) rank() int { return rankNeighbour }
func (n neighbour) String() string {
	return fmt.Sprintf("neighbour %s of %s, at %s", n.ip, n.link, n.mac)
}

func (n neighbour) set(s *space) error {
	link, err := s.index(n.link)
	if err != nil {
		return err
	}
	return s.handle.NeighSet(n.message(link))
}

func (n neighbour) unset(s *space) error {
	link, err := s.index(n.link)
	if err != nil {
		return nil
	}
	return ignore(s.handle.NeighDel(n.message(link)), unix.ENOENT, unix.ENODEV)
}

func (n neighbour) message(link int) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: link, Family: unix.AF_INET, State: unix.NUD_PERMANENT, IP: n.ip.AsSlice(), HardwareAddr: n.mac[:]}
}

// forward says which host the overlay's packets for an Ethernet address go to: an
// entry of the VXLAN's forwarding database.
type forward struct {
	link string
	mac  mac
	host netip.Addr
}

func (f forward) key() any       { return forward{link: f.link, mac: f.mac} }
func (f forward) rank() int      { return rankForward }
func (f forward) String() string { return fmt.Sprintf("forward of %s to %s", f.mac, f.host) }

func (f forward) set(s *space) error {
	link, err := s.index(f.link)
	if err != nil {
		return err
	}
	return s.handle.NeighSet(f.message(link))
}

func (f forward) unset(s *space) error {
	link, err := s.index(f.link)
	if err != nil {
		return nil
	}
	return ignore(s.handle.NeighDel(f.message(link)), unix.ENOENT, unix.ENODEV)
}

func (f forward) message(link int) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: link, Family: unix.AF_BRIDGE, Flags: unix.NTF_SELF, State: unix.NUD_PERMANENT, IP: f.host.AsSlice(), HardwareAddr: f.mac[:]}
}

// tracking is where the settings of connection tracking are.
const tracking = "net/netfilter/nf_conntrack_"

// setting is a sysctl, by its path below /proc/sys.
type setting struct {
	path, value string
}

func (s setting) key() any       { return setting{path: s.path} }
func (s setting) rank() int      { return rankSetting }
func (s setting) String() string { return fmt.Sprintf("%s = %s", s.path, s.value) }

func (s setting) set(in *space) error {
	err := within(in.fd, func() error { return os.WriteFile("/proc/sys/"+s.path, []byte(s.value), 0) })
	if s.tooEarly(err) {
		return nil // the next Restore finds it
	}
	return err
}

// tooEarly explains an error: the kernel's module, which has the setting, comes with
// the first packet rule.
func (s setting) tooEarly(err error) bool {
	return errors.Is(err, os.ErrNotExist) && strings.HasPrefix(s.path, tracking)
}

// unset leaves it: nothing says what it was before, and its link or namespace goes.
func (s setting) unset(*space) error { return nil }

func ignore(err error, harmless ...error) error {
	for _, each := range harmless {
		if errors.Is(err, each) {
			return nil
		}
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
