package node

import (
	"net/netip"
	"slices"
	"time"
)

// How long the address that takes another one's place must be there until the node takes
// it. The first time it is short: by the old one nothing goes any more, and a node that is
// not heard for three seconds is down. It doubles with each move, for an address that comes
// and goes, until none was made for the time of recovery.
const (
	firstSettle = 500 * time.Millisecond
	lastSettle  = time.Minute
	recovery    = 5 * time.Minute
	// unrouted is the least for an address that is not the default route's: it may be one
	// that moves from host to host (VRRP), and the host's own yet to come.
	unrouted = 5 * time.Second
	// elsewhere is how long the link that had the address may be without another one that
	// has come since, until the node takes one that was there before, or of another link: a
	// host whose lease has run out has the default route of its VPN for a while, perhaps.
	elsewhere = 30 * time.Second
)

// place is one of the host's addresses.
type place struct {
	address netip.Addr
	link    string
}

// scene is what the host looks like: its addresses, loopback's apart, and the one that it
// sends from by its default route, not valid if it has none.
type scene struct {
	places []place
	route  netip.Addr
}

// residence is where a node is reached that was not told its address.
//
//	there ──(the host has it no more)──▶ missing ──(another one settled)──▶ there, moved
//	  ▲────────────(it is back)─────────────┘
//
// What decides is that the address is gone: as long as the host has it, others that
// come and other default routes change nothing. What takes its place is of the same
// family and link, and has come since rather than was there beside it, as an address
// that moves from host to host (VRRP) is: by the default route if that is one, else the
// first. One that begins
// without any (127.0.0.1) takes the default route's once there is one.
type residence struct {
	address netip.Addr
	link    string // that has it; empty until it was seen
	missing time.Time
	beside  map[netip.Addr]bool // what else the host had when it had the address last
	next    netip.Addr          // what would take its place
	since   time.Time           // when that came
	settle  time.Duration
	moved   time.Time
}

// look says whether the node has moved, and how soon to look again should the host tell
// of no change; 0: no need to.
func (r *residence) look(at scene, now time.Time) (moved bool, again time.Duration) {
	if r.settle == 0 || now.Sub(r.moved) > recovery {
		r.settle = firstSettle
	}
	if home := at.find(r.address); home != nil {
		r.link, r.missing, r.next = home.link, time.Time{}, netip.Addr{}
		r.beside = make(map[netip.Addr]bool, len(at.places))
		for _, each := range at.places {
			r.beside[each.address] = each.address != r.address
		}
		return false, 0
	}
	if r.missing.IsZero() {
		r.missing = now
	}
	if next := r.choose(at, now); next != r.next {
		r.next, r.since = next, now
	}
	if !r.next.IsValid() {
		return false, max(elsewhere-now.Sub(r.missing), time.Second)
	}
	settle := r.settle
	if r.next != at.route {
		settle = max(settle, unrouted)
	}
	if r.beside[r.next] {
		settle = max(settle, r.missing.Add(elsewhere).Sub(r.since))
	}
	if wait := settle - now.Sub(r.since); wait > 0 {
		return false, wait
	}
	r.address, r.link, r.missing, r.next = r.next, at.find(r.next).link, time.Time{}, netip.Addr{}
	r.settle, r.moved = min(2*r.settle, lastSettle), now
	return true, 0
}

// choose finds what could take the address's place.
func (r *residence) choose(at scene, now time.Time) netip.Addr {
	route := at.find(at.route)
	if route != nil && !r.fits(route.address) {
		route = nil
	}
	for _, old := range []bool{false, true} {
		if route != nil && (route.link == r.link || r.link == "") && r.beside[route.address] == old {
			return route.address
		}
		for _, each := range at.places {
			if each.link == r.link && r.fits(each.address) && r.beside[each.address] == old {
				return each.address
			}
		}
	}
	if route != nil && now.Sub(r.missing) >= elsewhere {
		return route.address
	}
	return netip.Addr{}
}

// fits says whether others may reach an address: what a host gives itself when it gets
// none (RFC 3927) is no place to be.
func (r *residence) fits(address netip.Addr) bool {
	return address.Is4() == r.address.Is4() && address.IsGlobalUnicast()
}

func (s *scene) find(address netip.Addr) *place {
	if i := slices.IndexFunc(s.places, func(p place) bool { return p.address == address }); i >= 0 {
		return &s.places[i]
	}
	return nil
}
