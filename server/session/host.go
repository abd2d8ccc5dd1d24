package session

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/hosts"
	"github.com/orc-project/orc/store"
)

const (
	// askAfter is how long after a session's begin its host is first asked whether it
	// answers. It is asked again after askAgain, for firewalls change, and sooner when it
	// did not answer: this host may have been busy.
	askAfter, askAgain, askSooner = 500 * time.Millisecond, 10 * time.Minute, time.Minute
	// askApart is the least time between the first questions to two hosts, so that those
	// of 5,000 sessions after a manager's start take a minute and a half and a hundredth of
	// a core.
	askApart = 20 * time.Millisecond
	// maxVigils bounds the hosts that are asked all the time whether they are there, at 25
	// packets a second and as many to witnesses. Nodes that lose their connections when there are as many have the
	// whole node timeout.
	maxVigils = 64
)

// host is what a node's sessions come from.
type host struct {
	address netip.Addr
	// answers says that it did when it was asked whether it is there: only then does it
	// mean something that it does not.
	answers atomic.Bool
}

// hostOf is the host of a session that begins: what is known of the one before holds if it
// has the same address. The caller holds mu.
func (d *Dispatcher) hostOf(s *session) *host {
	if old := d.nodes[s.node]; old != nil && old.host != nil && old.host.address == s.address {
		return old.host
	}
	return &host{address: s.address}
}

// learn has a session's host asked when it is its turn, and again as long as the session
// lasts. The caller holds mu.
func (d *Dispatcher) learn(s *session, h *host) {
	if d.config.Ask == nil || s.node == d.config.Node {
		return
	}
	now := time.Now()
	d.turn = later(now.Add(askAfter), d.turn.Add(askApart))
	s.asking = time.AfterFunc(d.turn.Sub(now), func() { d.askHost(s, h) })
}

func (d *Dispatcher) askHost(s *session, h *host) {
	d.mu.Lock()
	p, ctx, silence := d.nodes[s.node], d.running, hosts.Silence(d.timeout)
	if ctx == nil || p == nil || p.session != s {
		d.mu.Unlock()
		return
	}
	d.wg.Add(1)
	defer d.wg.Done()
	d.mu.Unlock()
	answers := hosts.Answer(ctx, d.config.Ask, h.address, silence)
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.session != s || ctx.Err() != nil {
		return
	}
	if h.answers.Swap(answers) != answers {
		s.log.Debug("asked the node's host whether it is there", zap.Stringer("host", h.address), zap.Bool("answers", answers))
	}
	if answers {
		s.asking.Reset(askAgain)
	} else {
		s.asking.Reset(askSooner)
	}
}

// keepVigil finds out whether a node whose connection closed has lost its host too. Why it
// closed is known: a node that was told to go away, or said that it goes, is not lost. The
// caller holds mu.
func (d *Dispatcher) keepVigil(s *session, p *presence, reason error) {
	var told *api.Error
	if d.running == nil || s.leaving.Load() || errors.As(reason, &told) || p.host == nil || !p.host.answers.Load() {
		return
	}
	if d.vigils >= maxVigils {
		return
	}
	vigil := hosts.Vigil{
		Ask: d.config.Ask, Host: p.host.address, Silence: hosts.Silence(d.timeout), Witnesses: d.witnesses(p.host.address),
		Sound: func() bool { return d.fit() == nil },
		Over: func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return !d.isAway(s.node, p)
		},
	}
	d.vigils++
	ctx := d.running
	d.wg.Go(func() {
		gone := vigil.Gone(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.vigils--
		if gone && d.isAway(s.node, p) {
			p.message = "its connection closed, and its host does not answer any more"
			d.giveUp(s.node, p, time.Now())
		}
	})
}

// isAway says whether a presence is still the node's, and without a session. The caller
// holds mu.
func (d *Dispatcher) isAway(node string, p *presence) bool {
	return d.nodes[node] == p && p.session == nil
}

// witnesses are the hosts that go on answering while the way to one is well, be that one
// there or not: those of other nodes, and other managers. The caller holds mu.
func (d *Dispatcher) witnesses(of netip.Addr) []netip.Addr {
	var others []netip.Addr
	for node, p := range d.nodes {
		if node != d.config.Node && p.host != nil && p.host.answers.Load() {
			others = append(others, p.host.address)
		}
	}
	for node := range store.All[api.Node](d.snapshot) {
		if at, err := netip.ParseAddrPort(managerAddress(node)); err == nil && node.ID != d.config.Node {
			others = append(others, at.Addr().Unmap())
		}
	}
	return hosts.Nearest(of, others)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
