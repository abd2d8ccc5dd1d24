package dns

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// shunned is how long a name server that was silent is asked after the others.
const shunned = 30 * time.Second

// upstreams remembers which name servers were silent, and which would be this
// server itself.
type upstreams struct {
	log *zap.Logger

	mu     sync.Mutex
	own    map[netip.AddrPort]bool
	silent map[netip.AddrPort]time.Time // since when they owe an answer
	failed map[netip.AddrPort]bool      // those that gave none at all
}

func newUpstreams(log *zap.Logger) *upstreams {
	return &upstreams{
		log: log, own: map[netip.AddrPort]bool{},
		silent: map[netip.AddrPort]time.Time{}, failed: map[netip.AddrPort]bool{},
	}
}

// exclude says that this server answers at an address: asking it would be a loop.
func (u *upstreams) exclude(address netip.AddrPort) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.own[address] = true
}

// order returns those that may be asked, the ones that were silent of late last.
func (u *upstreams) order(list []netip.AddrPort, now time.Time) []netip.AddrPort {
	u.mu.Lock()
	defer u.mu.Unlock()
	var good, doubtful []netip.AddrPort
	for _, upstream := range list {
		switch {
		case u.loops(upstream) || slices.Contains(good, upstream) || slices.Contains(doubtful, upstream):
		case now.Sub(u.silent[upstream]) < shunned:
			doubtful = append(doubtful, upstream)
		default:
			good = append(good, upstream)
		}
	}
	return append(good, doubtful...)
}

// loops says whether an upstream is this server, which may listen at every address.
func (u *upstreams) loops(upstream netip.AddrPort) bool {
	if !upstream.IsValid() || u.own[upstream] {
		return true
	}
	address := upstream.Addr()
	if !address.IsLoopback() && !address.IsUnspecified() {
		return false
	}
	for own := range u.own {
		if own.Port() == upstream.Port() && (own.Addr().IsUnspecified() || address.IsUnspecified()) {
			return true
		}
	}
	return false
}

// late notes that a name server has not answered yet.
func (u *upstreams) late(upstream netip.AddrPort, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.silent[upstream] = now
}

// fail notes that no answer came, and logs the first time.
func (u *upstreams) fail(upstream netip.AddrPort, now time.Time, why error) {
	u.mu.Lock()
	was := u.failed[upstream]
	u.silent[upstream], u.failed[upstream] = now, true
	u.mu.Unlock()
	if !was {
		u.log.Warn("a name server does not answer", zap.Stringer("server", upstream), zap.Error(why))
	}
}

// answered notes that one came.
func (u *upstreams) answered(upstream netip.AddrPort) {
	u.mu.Lock()
	was := u.failed[upstream]
	delete(u.silent, upstream)
	delete(u.failed, upstream)
	u.mu.Unlock()
	if was {
		u.log.Info("a name server answers again", zap.Stringer("server", upstream))
	}
}
