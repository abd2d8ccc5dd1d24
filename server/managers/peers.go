package managers

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
)

const (
	// beats is how often managers are asked within the time that they may be silent.
	beats = 3
	// lookEvery is how often this manager looks who was silent for too long, lookAlone
	// how often one does that knows of no other.
	lookEvery, lookAlone = 200 * time.Millisecond, time.Second
	// stalled is how late a look must be for this process itself to have been held
	// up: then the others' silence means nothing.
	stalled = time.Second
)

// peer is another manager.
//
//	alive ──(no answer for the node timeout, or its host is gone)──▶ gone ──(an answer)──▶ alive
//
// Each manager asks every other one, so that whoever comes to lead knows already.
type peer struct {
	address string
	asking  bool
	asked   time.Time
	// heard is its last answer, served the last by which it reached the database, or
	// both when it was first known. Without a quorum nobody serves and all answer.
	heard, served time.Time
	silent, gone  bool
	lost          bool      // its host is gone, by the word of others' that are not: see keepVigil
	grace         time.Time // until when its silence says nothing, see regain
	// readOnly is why it can write nothing, by its last answer, and unfit that it sends
	// its nodes away, for that or for want of a quorum.
	readOnly  string
	unfit     bool
	split     bool // it says that this manager is none of its cluster's, which it is
	toldSplit time.Time
	kernel    kernel
}

// alive is what GET /v1/alive answers.
type alive struct {
	Node      string `json:"node"`
	Connected bool   `json:"connected"`          // to the database: see Managers.Connected
	ReadOnly  string `json:"readOnly,omitempty"` // why it can write nothing
	Unfit     bool   `json:"unfit,omitempty"`    // see Managers.Fit
}

// Alive says whether a manager has answered lately, and could do its work. This
// one always has.
func (m *Managers) Alive(node string) bool {
	return m.is(node, func(p *peer) bool { return !p.gone })
}

// Answers says whether a manager has answered lately, be it that it has lost the
// database. While this one was without the others, their silence says nothing; nor does
// that of one that has just become a manager.
func (m *Managers) Answers(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[node]
	return p == nil || !p.silent || !m.apart.IsZero() && !p.lost
}

// answerTime is how long others have to answer when this manager has reached most of them
// again; regainTime, when all were silent meanwhile: then the question of before has to end
// first, and its connection to be found dead.
const answerTime, regainTime = dialTimeout, pingAfter + pingTimeout + dialTimeout

// regain gives others the time to answer, who were silent while this manager was without
// them; long says that it was for as long as they may be. The caller holds mu.
func (m *Managers) regain(now time.Time, long bool) {
	grace := now.Add(answerTime)
	if long {
		grace = now.Add(regainTime)
	}
	for _, p := range m.peers {
		if !p.lost {
			p.grace = grace
		}
	}
}

func (m *Managers) is(node string, what func(*peer) bool) bool {
	if node == m.config.Node {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[node]
	return p != nil && what(p)
}

// ServeAlive answers GET /v1/alive, to other managers.
func (m *Managers) ServeAlive(w http.ResponseWriter, r *http.Request) {
	if err := ca.Require(r.Context(), ca.RoleManager); err != nil {
		session.Refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(alive{ // who asked may be gone
		Node: m.config.Node, Connected: m.Connected(), ReadOnly: m.readOnly(m.config.Node), Unfit: m.Fit() != nil,
	})
}

func (m *Managers) askAlive(ctx context.Context, address string, answer *alive) error {
	return m.get(ctx, address, Alive(m.Apart()), answer)
}

// watchPeers asks the others until ctx ends.
func (m *Managers) watchPeers(ctx context.Context) error {
	defer m.asking.Wait()
	last, every := time.Now(), lookEvery
	for {
		snapshot := m.config.Store.Snapshot()
		now := time.Now()
		if passed := now.Sub(last); passed > every+stalled {
			m.forgive(passed)
		}
		known := all(snapshot)
		timeout := session.NodeTimeout(snapshot)
		m.noteApart(now, timeout)
		m.look(ctx, known, timeout, now)
		last, every = now, lookEvery
		if len(known) < 2 {
			every = lookAlone
		}
		if err := m.rest(ctx, sleep.Next(every)); err != nil {
			return err
		}
	}
}

// rest sleeps, less when the connection to another manager breaks.
func (m *Managers) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-m.broken:
	case <-timer.C:
	}
	return nil
}

func (m *Managers) forgive(late time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		p.heard, p.served = p.heard.Add(late), p.served.Add(late)
	}
}

// look notes who was silent for too long, and asks whose turn it is.
func (m *Managers) look(ctx context.Context, known map[string]*api.Node, timeout time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.peers {
		if known[id] == nil {
			delete(m.peers, id)
		}
	}
	for id, node := range known {
		if id == m.config.Node {
			continue
		}
		p := m.peers[id]
		if p == nil {
			p = &peer{heard: now, served: now}
			m.peers[id] = p
		}
		p.address, p.silent = node.API, now.Sub(p.heard) > timeout && (p.lost || now.After(p.grace))
		if !p.gone && now.Sub(p.served) > timeout {
			p.gone = true
			m.log.Warn("a manager does not answer", zap.String("manager", node.Name), zap.String("address", node.API))
		}
		if !p.asking && now.Sub(p.asked) >= timeout/beats && p.address != "" {
			p.asking, p.asked = true, now
			address := p.address
			m.asking.Go(func() { m.ask(ctx, id, p, address, timeout) })
		}
		m.lookAtHost(ctx, id, p, timeout, now)
	}
}

func (m *Managers) ask(ctx context.Context, id string, p *peer, address string, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var answer alive
	err := m.ping(ctx, address, &answer)
	m.mu.Lock()
	defer m.mu.Unlock()
	p.asking = false
	m.noteSplit(p, id, err)
	if err != nil || answer.Node != id {
		return // silence, or another manager at its address
	}
	p.heard, p.silent, p.lost = time.Now(), false, false
	if (p.readOnly == "") != (answer.ReadOnly == "") {
		m.log.Info("what a manager can write has changed", zap.String("node", id), zap.Bool("readOnly", answer.ReadOnly != ""), zap.String("reason", answer.ReadOnly))
	}
	p.readOnly, p.unfit = answer.ReadOnly, answer.Unfit
	if !answer.Connected {
		return
	}
	if p.served = p.heard; p.gone {
		p.gone = false
		m.log.Info("a manager answers again", zap.String("node", id), zap.String("address", address))
	}
}
