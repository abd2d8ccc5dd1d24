package managers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database has members, of which the first is this manager's.
type database struct {
	members  []store.Member
	behind   bool
	yielded  bool
	handed   uint64
	stays    error // why nobody else comes to lead
	full     error
	wrong    error
	leader   uint64 // 0 means 1
	nobody   bool   // leads
	promoted []uint64
	removed  []uint64
}

func (d *database) Self() uint64          { return 1 }
func (d *database) Known() []store.Member { return slices.Clone(d.members) }
func (d *database) Yield() error          { d.yielded = true; return d.stays }
func (d *database) Writable() error       { return d.full }
func (d *database) Wrong() error          { return d.wrong }
func (d *database) Leader() uint64 {
	if d.nobody {
		return 0
	}
	return cmp.Or(d.leader, 1)
}
func (d *database) at(id uint64) int {
	return slices.IndexFunc(d.members, func(m store.Member) bool { return m.ID == id })
}
func (d *database) HandOver(_ context.Context, id uint64) error {
	d.handed = id
	return d.stays
}
func (d *database) add(m store.Member) { d.members = append(d.members, m) }
func (d *database) voter(id uint64, n string) {
	d.add(store.Member{ID: id, Name: n, Address: n + ":6721"})
}

func (d *database) Members(context.Context) ([]store.Member, error) { return d.Known(), nil }

func (d *database) AddLearner(_ context.Context, address string) (store.Member, error) {
	learner := store.Member{ID: uint64(100 + len(d.members)), Address: address, Learner: true}
	d.add(learner)
	return learner, nil
}

func (d *database) Promote(_ context.Context, id uint64) error {
	if d.behind {
		return store.ErrBehind
	}
	d.promoted = append(d.promoted, id)
	d.members[d.at(id)].Learner = false
	return nil
}

func (d *database) Remove(_ context.Context, id uint64) error {
	d.removed = append(d.removed, id)
	d.members = slices.DeleteFunc(d.members, func(m store.Member) bool { return m.ID == id })
	return nil
}

// fixture is the managers as m1 sees them, with all that are named alive.
func fixture(t *testing.T, d *database, managers ...string) *Managers {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	request, key, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := authority.SignNode(request, "m1", api.RoleManager, 0, time.Now())
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, key, authority.Roots())
	require.NoError(t, err)
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	m := New(Config{
		Store: s, Node: "m1", Credentials: credentials, Members: d, Keys: func() ([]byte, error) { return []byte("keys"), nil },
	}, zap.NewNop())
	// Who is not known to be gone answers.
	m.ping = func(ctx context.Context, address string, answer *alive) error {
		id := strings.TrimSuffix(address, ":6720")
		if !m.Alive(id) {
			<-ctx.Done()
			return ctx.Err()
		}
		*answer = alive{Node: id, Connected: true}
		return nil
	}
	for _, id := range managers {
		m.put(t, &api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleManager, API: id + ":6720"})
		if id != "m1" {
			m.peers[id] = &peer{heard: time.Now(), served: time.Now()}
		}
	}
	return m
}

func (m *Managers) put(t *testing.T, objects ...api.Object) {
	t.Helper()
	tx := &store.Tx{}
	for _, each := range objects {
		tx.Set(each)
	}
	_, err := m.config.Store.Commit(t.Context(), tx)
	require.NoError(t, err)
}

func TestALearnerVotesOnceItHasCaughtUpAndIsThere(t *testing.T) {
	d := &database{behind: true}
	d.voter(1, "m1")
	m := fixture(t, d, "m1", "m2")
	m2 := &api.Node{Meta: api.Meta{ID: "m2"}, Role: api.RoleManager}
	m.peers["m2"].gone = true
	require.Equal(t, api.ManagerJoining, m.State(m2, "m1"))
	d.add(store.Member{ID: 2, Name: "m2", Learner: true})
	require.Equal(t, api.ManagerUnreachable, m.State(m2, "m1"))
	m.peers["m2"].gone = false
	require.Equal(t, api.ManagerLearner, m.State(m2, "m1"))
	waiting := make(map[uint64]time.Time)
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Empty(t, d.promoted, "it is behind")
	d.behind = false
	m.peers["m2"].gone = true
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Empty(t, d.promoted, "it would be a vote that is not there")
	m.peers["m2"].gone = false
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Equal(t, []uint64{2}, d.promoted)
	require.Equal(t, api.ManagerReachable, m.State(m2, "m1"))
}

func TestTheMembersOfNoManagersGoUnlessTheQuorumWould(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	d.voter(2, "m2")
	d.voter(3, "m3")
	m := fixture(t, d, "m1", "m2")
	m.put(t, &api.Node{Meta: api.Meta{ID: "m3"}, Name: "m3", Role: api.RoleWorker})
	m.peers["m2"].gone = true
	waiting := make(map[uint64]time.Time)
	require.ErrorContains(t, m.keep(t.Context(), waiting, time.Now()), "2 are needed")
	require.Empty(t, d.removed)
	m.peers["m2"].gone = false
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Equal(t, []uint64{3}, d.removed)
}

// demote makes a manager a worker, whose database is still there.
func (m *Managers) demote(t *testing.T, id string) *api.Node {
	t.Helper()
	node := &api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, API: id + ":6720"}
	m.put(t, node)
	return node
}

func TestALeaderThatIsNoManagerLetsAnotherOneGoOn(t *testing.T) {
	for name, act := range map[string]func(m *Managers, node *api.Node) error{
		"that was asked to go": func(m *Managers, node *api.Node) error { return m.Leave(t.Context(), node, false) },
		"whose going nobody brought to its end": func(m *Managers, _ *api.Node) error {
			return m.keep(t.Context(), make(map[uint64]time.Time), time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &database{}
			for i, name := range []string{"m1", "m2", "m3"} {
				d.voter(uint64(i+1), name)
			}
			m := fixture(t, d, "m1", "m2", "m3")
			m.ping = func(context.Context, string, *alive) error { return api.Errorf(api.CodeForbidden, "a worker asks") }
			m.demote(t, "m2") // to hand over to that would be to get it back
			require.NoError(t, act(m, m.demote(t, "m1")))
			require.Equal(t, uint64(3), d.handed)
			require.Empty(t, d.removed, "its own goes by the next leader's hand")

			d.handed, d.leader = 0, 2
			require.NoError(t, act(m, m.demote(t, "m1")))
			require.Zero(t, d.handed, "it does not lead")
			require.False(t, d.yielded)

			d.leader, d.stays = 0, errors.New("nobody takes the lead")
			err := act(m, m.demote(t, "m1"))
			require.True(t, d.yielded, "to whoever takes it")
			require.Equal(t, name == "that was asked to go", err == nil, "it is demoted all the same")
		})
	}
}

func TestThoseThatAreToGoDoNotHoldEachOther(t *testing.T) {
	d := &database{}
	for i, name := range []string{"m1", "m2", "m3"} {
		d.voter(uint64(i+1), name)
	}
	m := fixture(t, d, "m1", "m2", "m3")
	m.demote(t, "m2")
	m.demote(t, "m3")
	waiting := make(map[uint64]time.Time)
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Equal(t, []uint64{2, 3}, d.removed)

	// But for one that goes at another's hand, who does not wait for this one's.
	d.voter(2, "m2")
	d.voter(3, "m3")
	require.NoError(t, m.Leave(t.Context(), m.demote(t, "m2"), false))
	require.Len(t, d.removed, 2, "m3 may be going too")

	// Who leads lets another one lead first: else nobody would for a moment.
	d = &database{leader: 2}
	for i, name := range []string{"m1", "m2", "m3"} {
		d.voter(uint64(i+1), name)
	}
	m = fixture(t, d, "m1", "m2", "m3")
	require.NoError(t, m.Leave(t.Context(), m.demote(t, "m2"), false))
	require.Empty(t, d.removed)
	d.leader = 3
	require.NoError(t, m.Leave(t.Context(), m.demote(t, "m2"), false))
	require.Equal(t, []uint64{2}, d.removed)
}

func TestOneThatCannotBeHelpedKeepsNoOtherFromIt(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	d.add(store.Member{ID: 2, Name: "m2", Learner: true})
	d.add(store.Member{ID: 3, Name: "m3", Learner: true})
	m := fixture(t, d, "m1", "m2", "m3")
	m.peers["m2"].gone = true
	waiting := make(map[uint64]time.Time)
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Equal(t, []uint64{3}, d.promoted)

	// One that must not go yet may when another has a vote.
	d = &database{}
	for i, name := range []string{"m1", "m2", "m3"} {
		d.voter(uint64(i+1), name)
	}
	d.add(store.Member{ID: 4, Name: "m4", Learner: true})
	m = fixture(t, d, "m1", "m2", "m3", "m4")
	m.demote(t, "m2")
	m.peers["m3"].gone = true
	require.ErrorContains(t, m.keep(t.Context(), waiting, time.Now()), "2 are needed")
	require.Equal(t, []uint64{4}, d.promoted)
	require.NoError(t, m.keep(t.Context(), waiting, time.Now()))
	require.Equal(t, []uint64{2}, d.removed)
}

func TestTheLastVoteIsNotForcedOut(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	d.add(store.Member{ID: 2, Name: "m2", Learner: true})
	m := fixture(t, d, "m1", "m2")
	node := store.Get[api.Node](m.config.Store.Snapshot(), "m1")
	err := m.MayLeave(t.Context(), node, true)
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "the last manager")
	require.NoError(t, m.Leave(t.Context(), m.demote(t, "m1"), true), "it was demoted all the same")
	require.Empty(t, d.removed)

	d.voter(3, "m3")
	m = fixture(t, d, "m1", "m2", "m3")
	m.peers["m3"].gone = true
	node = store.Get[api.Node](m.config.Store.Snapshot(), "m1")
	require.Error(t, m.MayLeave(t.Context(), node, false))
	require.NoError(t, m.MayLeave(t.Context(), node, true), "be the others there or not")
}

func TestALearnerThatNeverCameIsForgotten(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	m := fixture(t, d, "m1", "m2")
	answer, err := m.Enter(t.Context(), "m2", api.MemberRequest{Peer: "m2:6721", API: "m2:6720"})
	require.NoError(t, err)
	require.Equal(t, api.MemberAnswer{Ring: []byte("keys"), Peers: map[string]string{"m1": "m1:6721", "m2": "m2:6721"}}, answer)
	first := d.members[1].ID
	node := store.Get[api.Node](m.config.Store.Snapshot(), "m2")
	require.Equal(t, first, node.Member)

	_, err = m.Enter(t.Context(), "m2", api.MemberRequest{Peer: "m2:7000", API: "m2:6999"})
	require.NoError(t, err, "again, from another address")
	require.Equal(t, []uint64{first}, d.removed)
	require.Len(t, d.members, 2)

	waiting, now := make(map[uint64]time.Time), time.Now()
	require.NoError(t, m.keep(t.Context(), waiting, now))
	require.NoError(t, m.keep(t.Context(), waiting, now.Add(entryTime)))
	require.Len(t, d.members, 2)
	require.NoError(t, m.keep(t.Context(), waiting, now.Add(entryTime+time.Second)))
	require.Len(t, d.members, 1)
}

func TestNobodyEntersAtTheAddressOfAnother(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	d.voter(2, "m2")
	m := fixture(t, d, "m1", "m2", "m3")
	_, err := m.Enter(t.Context(), "m3", api.MemberRequest{Peer: "m2:6721", API: "m2:6720"})
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "that of the manager m2")
	m.put(t, &api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker})
	_, err = m.Enter(t.Context(), "w1", api.MemberRequest{Peer: "w1:6721", API: "w1:6720"})
	require.Equal(t, api.CodeForbidden, api.CodeOf(err))
	require.Len(t, d.members, 2)

	// One whose database is lost has lost its vote: with the other gone too, none is left.
	m.peers["m2"].gone = true
	_, err = m.Enter(t.Context(), "m2", api.MemberRequest{Peer: "m2:6721", API: "m2:6720"})
	require.NoError(t, err)
	require.Equal(t, []uint64{2}, d.removed)
}

// A break between all managers ends: nobody has answered, and all would.
func TestWhoWasSilentBehindABreakHasTimeToAnswer(t *testing.T) {
	const timeout = 3 * time.Second
	for name, c := range map[string]struct {
		apart time.Duration
		lost  bool // a manager's host, as was found out
		grace time.Duration
	}{
		"a short one":      {time.Second, false, answerTime},
		"a long one":       {time.Minute, false, regainTime},
		"and its host too": {time.Minute, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := &database{}
			d.voter(1, "m1")
			m := fixture(t, d, "m1", "m2")
			known := map[string]*api.Node{"m2": {Meta: api.Meta{ID: "m2"}, Role: api.RoleManager}} // it is not asked
			began := time.Now()
			look := func(now time.Time) bool {
				m.noteApart(now, timeout)
				m.look(t.Context(), known, timeout, now)
				return m.Answers("m2")
			}
			m.peers["m2"].heard, m.peers["m2"].lost = began.Add(-timeout), c.lost
			d.nobody = true
			require.Equal(t, !c.lost, look(began.Add(time.Millisecond)), "who is it that is silent?")
			d.nobody = false
			healed := began.Add(c.apart)
			require.Equal(t, !c.lost, m.Answers("m2"), "nobody has looked yet")
			require.Equal(t, !c.lost, look(healed))
			require.Equal(t, !c.lost, look(healed.Add(c.grace)))
			require.False(t, look(healed.Add(c.grace+time.Second)))

			// The host is found gone a moment after.
			m.noteApart(healed, timeout)
			m.peers["m2"].grace, m.peers["m2"].lost = healed.Add(regainTime), true
			require.False(t, look(healed.Add(time.Millisecond)))
		})
	}
}

func TestWhoIsSilentIsGoneUntilItAnswers(t *testing.T) {
	d := &database{}
	d.voter(1, "m1")
	m := fixture(t, d, "m1")
	known := map[string]*api.Node{"m2": {Meta: api.Meta{ID: "m2"}, Role: api.RoleManager}} // no address: it is not asked
	now, timeout := time.Now(), 3*time.Second
	require.True(t, m.Alive("m1"))
	require.False(t, m.Alive("m2"), "nobody knows it")
	require.True(t, m.Answers("m2"), "it has had no time to")
	m.look(t.Context(), known, timeout, now)
	require.True(t, m.Alive("m2"), "it has time to answer")
	m.look(t.Context(), known, timeout, now.Add(timeout))
	require.True(t, m.Alive("m2"))
	m.forgive(time.Minute)
	m.look(t.Context(), known, timeout, now.Add(time.Minute))
	require.True(t, m.Alive("m2"), "this process was held up")
	m.look(t.Context(), known, timeout, now.Add(time.Minute+timeout+time.Second))
	require.False(t, m.Alive("m2"))
	require.False(t, m.Answers("m2"))
	later := now.Add(time.Hour)
	m.peers["m2"].heard = later // it has answered, that it has lost the database
	m.look(t.Context(), known, timeout, later)
	require.False(t, m.Alive("m2"))
	require.True(t, m.Answers("m2"))
	m.look(t.Context(), nil, timeout, now)
	require.Empty(t, m.peers)
}
