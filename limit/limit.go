// Package limit keeps one hostile client from starving a listener. It decides by
// two things: where a connection comes from, and whether it has proved who it is.
// It never looks into a request and never refuses who is within the limits because
// of somebody else's excess, as long as that one has few addresses.
//
//	accepted ──(rate, room)──▶ handshake ──▶ proven: counts for its name
//	    └──▶ closed                    └──▶ stranger: counts for its source, ends soon
//
// A source is an IPv4 address or an IPv6 /64, the least that one host is given, and
// a site what one owner of many sources is given: an IPv6 /48 (RFC 6177), or the
// address. Until it is proven a connection costs its source and its site; with a
// certificate it costs the name in it, so that a fleet behind one address can connect.
//
// A new stranger is never kept out by those that are there: where there is no room,
// the oldest one of its source goes, or the oldest of the site that has most. Who
// opens many and says nothing only loses them sooner, and a node that comes back has
// its handshake done before its turn comes. Nor are those who have proved who they are
// kept out by others who have: the oldest connection of the name that has most goes.
//
// The numbers (see Default) follow from what things cost. A TLS 1.3 handshake with
// P-256 on both sides takes some 0.3 ms of a core, one that is garbage less: 500 a
// second are at most a sixth of a core. A connection takes up to 100 KiB, so 512
// strangers are 50 MiB. A slow client (RFC 9110 has no limit; Slowloris, 2009) has
// HandshakeTimeout and StrangerLife. Rapid resets of HTTP/2 streams (CVE-2023-44487)
// cost tokens like other requests; Go itself bounds the handlers of a connection to
// its streams.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are what a Gate lets through.
type Limits struct {
	// Handshakes a second from one source, and how many at once after a pause.
	Handshakes      float64
	HandshakesBurst int
	// Strangers are the connections that have not proved who they are: of one source
	// and of all. The oldest make room for new ones.
	Strangers, AllStrangers int
	// Connections of one name and of all names. Where there are so many, those of the name
	// that has most make room.
	Connections, AllConnections int
	// HandshakeTimeout is for a handshake, StrangerLife for all that who has no
	// certificate does on one connection.
	HandshakeTimeout, StrangerLife time.Duration

	// Requests a second of strangers, of one source and of all; each may come in a
	// burst of five seconds'.
	Requests, AllRequests float64
	// AtOnce are the requests of one source that are answered at the same time.
	AtOnce int
	// BodyLimit of a request's body in bytes, BodyTimeout to read it: see Gate.Bound.
	BodyLimit   int64
	BodyTimeout time.Duration
	// Failures are the refused proofs (join tokens) a second of one source, after
	// FailuresBurst of them.
	Failures      float64
	FailuresBurst int

	// Costs a second that one name may cause, after CostsBurst: see Gate.Spend.
	Costs      float64
	CostsBurst int
}

// Default is safe for a manager of some thousand nodes on two cores.
func Default() Limits {
	return Limits{
		Handshakes: 500, HandshakesBurst: 2000,
		Strangers: 512, AllStrangers: 4096, Connections: 256, AllConnections: 12_000,
		HandshakeTimeout: 10 * time.Second, StrangerLife: time.Minute,
		Requests: 20, AllRequests: 100, AtOnce: 16,
		BodyLimit: 64 << 10, BodyTimeout: 10 * time.Second,
		Failures: 1, FailuresBurst: 20,
		Costs: 50, CostsBurst: 500,
	}
}

// Gate counts. It is safe for use by several goroutines.
type Gate struct {
	limits Limits
	all    *rate.Limiter // requests of strangers

	mu        sync.Mutex
	strangers strangers
	proven    proven
	sources   ledger[netip.Prefix]
	sites     ledger[netip.Prefix]
	names     ledger[string]
}

// ledger has accounts, and forgets those that owe nothing when it has grown to
// twice of what it had to keep the last time.
type ledger[K comparable] struct {
	accounts map[K]*account
	sweepAt  int
}

// account is what one source, site or name has to its debit.
type account struct {
	connections int // of strangers or, by a name, proven ones
	proven      int // connections of a source
	requests    int // being answered
	handshakes  *rate.Limiter
	tokens      *rate.Limiter // of requests or costs
	failures    *rate.Limiter
}

// spareConnections are for those that are about to be closed.
const spareConnections = 256

// Most is how many connections a Gate has at once.
func (g *Gate) Most() int { return g.limits.AllStrangers + g.limits.AllConnections + spareConnections }

// NewGate makes a Gate; the zero value of Limits means Default.
func NewGate(limits Limits) *Gate {
	if limits == (Limits{}) {
		limits = Default()
	}
	return &Gate{
		limits: limits, all: burst(limits.AllRequests),
		sources: newLedger[netip.Prefix](), sites: newLedger[netip.Prefix](), names: newLedger[string](),
	}
}

// burst is a limiter that saves up five seconds'.
func burst(perSecond float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(5*perSecond)))
}

// Source is what an address counts as.
func Source(address netip.Addr) netip.Prefix { return prefix(address, 64) }

// Site is what the address's owner counts as.
func Site(address netip.Addr) netip.Prefix { return prefix(address, 48) }

// prefix is an IPv4 address, or so many bits of an IPv6 one.
func prefix(address netip.Addr, bits int) netip.Prefix {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		bits = 32
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all such are one source
	}
	return prefix
}

// siteShare is how many of its sources' shares of handshakes and of requests a site
// may use.
const siteShare = 4

// accounts returns those of an address; mu is held.
func (g *Gate) accounts(of netip.Addr) (source, site *account) {
	open := func(shares int) func() *account {
		return func() *account {
			return &account{
				handshakes: rate.NewLimiter(rate.Limit(float64(shares)*g.limits.Handshakes), shares*g.limits.HandshakesBurst),
				tokens:     burst(float64(shares) * g.limits.Requests),
				failures:   rate.NewLimiter(rate.Limit(g.limits.Failures), g.limits.FailuresBurst),
			}
		}
	}
	return g.sources.of(Source(of), open(1)), g.sites.of(Site(of), open(siteShare))
}

// name returns the account of a name; mu is held.
func (g *Gate) name(of string) *account {
	return g.names.of(of, func() *account {
		return &account{tokens: rate.NewLimiter(rate.Limit(g.limits.Costs), g.limits.CostsBurst)}
	})
}

// fewAccounts are kept without a look at what they owe.
const fewAccounts = 4096

func newLedger[K comparable]() ledger[K] {
	return ledger[K]{accounts: make(map[K]*account), sweepAt: fewAccounts}
}

func (l *ledger[K]) of(key K, open func() *account) *account {
	if found := l.accounts[key]; found != nil {
		return found
	}
	if len(l.accounts) >= l.sweepAt {
		for each, account := range l.accounts {
			if account.idle() {
				delete(l.accounts, each)
			}
		}
		l.sweepAt = max(fewAccounts, 2*len(l.accounts))
	}
	l.accounts[key] = open()
	return l.accounts[key]
}

// idle says that forgetting the account changes nothing.
func (a *account) idle() bool {
	full := func(l *rate.Limiter) bool { return l == nil || l.Tokens() >= float64(l.Burst()) }
	return a.connections == 0 && a.proven == 0 && a.requests == 0 && full(a.handshakes) && full(a.tokens) && full(a.failures)
}

// Spend takes cost from what a name may cause; it is false when there is not
// enough left.
func (g *Gate) Spend(name string, cost int) bool {
	g.mu.Lock()
	tokens := g.name(name).tokens
	g.mu.Unlock()
	return tokens.AllowN(time.Now(), cost)
}
