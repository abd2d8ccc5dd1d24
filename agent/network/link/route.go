package link

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// route is the way to a prefix: over a link, or nowhere (link is "").
type route struct {
	slot
	link   string
	via    netip.Addr // invalid: straight
	source netip.Addr // invalid: the kernel's choice
	kind   int
}

// slot is what the kernel replaces a route by.
type slot struct {
	prefix netip.Prefix
	metric int
	tos    int
}

// over is a route to addresses at a link's other end.
func over(link string, prefix netip.Prefix) route {
	return route{slot: slot{prefix: prefix}, link: link, kind: unix.RTN_UNICAST}
}

// to is a route by a next hop at a link's other end.
func to(link string, prefix netip.Prefix, via netip.Addr) route {
	return route{slot: slot{prefix: prefix}, link: link, via: via, kind: unix.RTN_UNICAST}
}

// nowhere is what a prefix is when no better route fits.
func nowhere(prefix netip.Prefix) route {
	return route{slot: slot{prefix: prefix, metric: lastMetric}, kind: unix.RTN_UNREACHABLE}
}

// lastMetric loses against any route that somebody would add.
const lastMetric = 1 << 30

func (r route) from(source netip.Addr) route {
	r.source = source
	return r
}

func (r route) key() any  { return r.slot }
func (r route) rank() int { return rankRoute }

func (r route) String() string {
	text := "route " + r.prefix.String()
	if r.kind != unix.RTN_UNICAST {
		text = fmt.Sprintf("route of kind %d to %s", r.kind, r.prefix)
	}
	if r.via.IsValid() {
		text += fmt.Sprintf(" via %s", r.via)
	}
	if r.link != "" {
		text += " dev " + r.link
	}
	if r.source.IsValid() {
		text += fmt.Sprintf(" src %s", r.source)
	}
	if r.metric != 0 {
		text += fmt.Sprintf(" metric %d", r.metric)
	}
	return text
}

func (r route) set(s *space) error {
	m, err := r.message(s)
	if err != nil {
		return err
	}
	return s.handle.RouteReplace(m)
}

func (r route) unset(s *space) error {
	m, err := r.message(s)
	if err != nil {
		return nil // its link is gone, and it too
	}
	m.Scope, m.Protocol = unix.RT_SCOPE_NOWHERE, unix.RTPROT_UNSPEC // whatever they are
	return ignore(s.handle.RouteDel(m), unix.ESRCH, unix.ENODEV)
}

func (r route) message(s *space) (*netlink.Route, error) {
	m := &netlink.Route{Dst: ipNet(r.prefix), Priority: r.metric, Tos: r.tos, Type: r.kind, Protocol: unix.RTPROT_STATIC}
	if r.link == "" {
		return m, nil
	}
	link, err := s.index(r.link)
	if err != nil {
		return nil, err
	}
	m.LinkIndex = link
	if r.via.IsValid() {
		m.Gw, m.Flags = r.via.AsSlice(), unix.RTNH_F_ONLINK
	} else {
		m.Scope = unix.RT_SCOPE_LINK
	}
	if r.source.IsValid() {
		m.Src = r.source.AsSlice()
	}
	return m, nil
}

// crowd is several routes in one slot: somebody appended to ours. The kernel cannot
// remove exactly one of them (what a request does not name fits any), so they go
// together.
type crowd struct {
	slot
	routes []route
}

func (c *crowd) key() any         { return c.slot }
func (c *crowd) rank() int        { return rankRoute }
func (c *crowd) String() string   { return fmt.Sprintf("%v", c.routes) }
func (c *crowd) set(*space) error { return errors.ErrUnsupported } // nobody wants one

func (c *crowd) unset(s *space) error {
	var errs []error
	for _, each := range c.routes {
		errs = append(errs, each.unset(s))
	}
	return errors.Join(errs...)
}
