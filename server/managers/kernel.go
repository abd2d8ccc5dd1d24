package managers

import (
	"context"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/hosts"
	"github.com/orc-project/orc/store"
)

// learnEvery is how often another manager's host is asked, while all is well, whether it
// answers such questions, for firewalls change; one that did not is asked again after
// learnAgain.
const learnEvery, learnAgain = 10 * time.Minute, time.Minute

// kernel is what is known of another manager's host (see package hosts). A manager whose
// process has ended may be back within the node timeout; not one whose host is gone.
type kernel struct {
	host    netip.Addr
	learned time.Time // when it was asked last
	answers bool
	broken  bool // it has closed a connection, and nobody has looked since
	asking  bool // one question or, in a vigil, many
}

// closed notes that the manager at an address has closed a connection.
func (m *Managers) closed(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if p.address == address {
			p.kernel.broken = true
		}
	}
	select {
	case m.broken <- struct{}{}:
	default:
	}
}

// lookAtHost asks a manager's host what there is to ask. The caller holds mu.
func (m *Managers) lookAtHost(ctx context.Context, id string, p *peer, timeout time.Duration, now time.Time) {
	at, err := netip.ParseAddrPort(p.address)
	k, host := &p.kernel, at.Addr().Unmap()
	if m.config.Ask == nil || err != nil || k.asking {
		return
	}
	if k.host != host {
		*k = kernel{host: host}
	}
	broken, again := k.broken, learnAgain
	if k.broken = false; k.answers {
		again = learnEvery
	}
	switch {
	case p.gone:
	case broken && k.answers:
		k.asking = true
		m.asking.Go(func() { m.keepVigil(ctx, id, p, host, timeout, now) })
	case now.Sub(k.learned) >= again:
		k.asking, k.learned = true, now
		m.asking.Go(func() {
			answers := hosts.Answer(ctx, m.config.Ask, host, hosts.Silence(timeout))
			m.mu.Lock()
			defer m.mu.Unlock()
			k.asking, k.answers = false, answers
		})
	}
}

// keepVigil finds out whether a manager that has closed a connection has lost its host
// too.
func (m *Managers) keepVigil(ctx context.Context, id string, p *peer, host netip.Addr, timeout time.Duration, since time.Time) {
	settled := func() bool { return m.peers[id] != p || p.gone || p.heard.After(since) }
	vigil := hosts.Vigil{
		Ask: m.config.Ask, Host: host, Silence: hosts.Silence(timeout), Witnesses: m.witnesses(host),
		Sound: func() bool { return true }, // who acts on it sees to that
		Over: func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return settled()
		},
	}
	gone := vigil.Gone(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	p.kernel.asking = false
	if !gone || settled() {
		return
	}
	p.gone, p.silent, p.lost = true, true, true
	p.heard, p.served = since.Add(-timeout), since.Add(-timeout)
	m.log.Warn("a manager's host does not answer any more", zap.String("node", id), zap.Stringer("host", host))
}

// witnesses are hosts that go on answering while the way to one is well, be that one there
// or not: those of the other managers, and of nodes that are up.
func (m *Managers) witnesses(of netip.Addr) []netip.Addr {
	snapshot := m.config.Store.Snapshot()
	var others []netip.Addr
	for id, node := range all(snapshot) {
		if at, err := netip.ParseAddrPort(node.API); err == nil && id != m.config.Node {
			others = append(others, at.Addr().Unmap())
		}
	}
	for status := range store.All[api.NodeStatus](snapshot) {
		if status.State == api.NodeReady && status.ID != m.config.Node {
			others = append(others, status.Info.Address.Unmap())
		}
	}
	return hosts.Nearest(of, others)
}
