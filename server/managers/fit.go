package managers

import (
	"context"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// A manager whose disk is full follows the others and has a vote, so it counts for the
// quorum, and what it knows is as new as theirs. But it can write nothing of its own, as
// one must not whose data is damaged:
// nobody would hear from it what nodes tell. While another one can, it is for that to
// have the nodes and to lead.

// handOverTime is how long another manager may take to lead.
const handOverTime = 5 * time.Second

// Fit says why this manager is not to have nodes: what they tell it does not reach the
// database. It is nil when it does, and when it would nowhere else.
func (m *Managers) Fit() error {
	if !m.Connected() {
		return api.Errorf(api.CodeUnavailable, "this manager does not reach most of the others: another one may")
	}
	if why := m.readOnly(m.config.Node); why != "" && m.relief() != 0 {
		return api.Errorf(api.CodeUnavailable, "this manager can write nothing, but another one can: %s", why)
	}
	return nil
}

// Fits says of any manager whether it is there, and Fit.
func (m *Managers) Fits(node string) bool {
	if node == m.config.Node {
		return m.Fit() == nil
	}
	return m.is(node, func(p *peer) bool { return !p.gone && !p.unfit })
}

// readOnly is why a manager can write nothing, or empty.
func (m *Managers) readOnly(node string) (why string) {
	if node != m.config.Node {
		m.is(node, func(p *peer) bool { why = p.readOnly; return true })
		return why
	}
	if m.config.Members != nil {
		if err := m.config.Members.Writable(); err != nil {
			why = err.Error()
		}
	}
	return why
}

// relief is the member of another manager that has a vote and can write; 0 if there is
// none.
func (m *Managers) relief() uint64 {
	for _, each := range m.config.Members.Known() {
		if !each.Learner && each.Name != m.config.Node && m.Fits(each.Name) && m.readOnly(each.Name) == "" {
			return each.ID
		}
	}
	return 0
}

// handOver lets a manager lead that can write, when this one leads and cannot.
func (m *Managers) handOver(ctx context.Context) error {
	if m.Fit() == nil || !m.Connected() {
		return nil
	}
	to := m.relief()
	if to == 0 {
		return nil
	}
	m.log.Info("this manager can write nothing: another one is to lead")
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	return m.config.Members.HandOver(ctx, to)
}

// Findings are what is wrong with managers, for people.
func (m *Managers) Findings() []api.Finding {
	var found []api.Finding
	for _, each := range m.Splits() {
		found = append(found, api.Finding{NodeName: each.Manager, Subject: "cluster", Level: api.LevelProblem, Message: each.Message})
	}
	for node := range store.All[api.Node](m.config.Store.Snapshot()) {
		if m.State(node, "") == api.ManagerReadOnly {
			found = append(found, api.Finding{
				Node: node.ID, NodeName: node.Name, Subject: "manager", Level: api.LevelProblem,
				Message: "it can write nothing, and other managers do its work: " + m.readOnly(node.ID),
			})
		}
	}
	if m.config.Members == nil {
		return found
	}
	if wrong := m.config.Members.Wrong(); wrong != nil && m.readOnly(m.config.Node) == "" {
		found = append(found, api.Finding{NodeName: m.called(m.config.Node), Subject: "database", Level: api.LevelProblem, Message: wrong.Error()})
	}
	return found
}
