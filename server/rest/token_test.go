package rest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestTheLastUseOfATokenIsOneHosts(t *testing.T) {
	m := newManager(t)
	token, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker, Uses: 2, Expires: api.Duration(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, "orc agent --join 10.0.0.1:6720 --token "+token.Token, token.Command)
	refused := joinRequest(t, token.Token, api.RoleWorker)
	refused.Name = "no way"
	_, err = m.client.Join(m.ctx, refused)
	requireCode(t, api.CodeInvalid, err)
	_, err = m.client.Join(m.ctx, joinRequest(t, token.Token, api.RoleManager))
	requireCode(t, api.CodeUnauthorized, err)
	require.Equal(t, 2, m.usesLeft(token.ID), "who is refused takes no use")

	before := store.Count[api.Node](m.store.Snapshot())
	var joined atomic.Int32
	var racing sync.WaitGroup
	for range 8 {
		request := joinRequest(t, token.Token, api.RoleWorker)
		racing.Go(func() {
			if _, err := m.client.Join(m.ctx, request); err == nil {
				joined.Add(1)
			} else if api.CodeOf(err) != api.CodeUnauthorized {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	require.EqualValues(t, 2, joined.Load())
	require.Equal(t, before+2, store.Count[api.Node](m.store.Snapshot()))
	require.Zero(t, m.usesLeft(token.ID), "it is gone")
}

func TestNoMoreJoinWhereManyHaveJoinedAndNeverCome(t *testing.T) {
	m := newManager(t)
	standing, err := m.client.Token(m.ctx, api.RoleWorker)
	require.NoError(t, err)
	once, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker, Uses: 1})
	require.NoError(t, err)
	awaited := joinRequest(t, standing.Token, api.RoleWorker)
	_, err = m.client.Join(m.ctx, awaited)
	require.NoError(t, err)
	tx := &store.Tx{}
	for i := range mostAwaited - 1 {
		tx.Create(&api.Node{Meta: api.Meta{ID: fmt.Sprint("never", i)}, Name: fmt.Sprint("never", i), Role: api.RoleWorker, Number: uint16(100 + i), Runs: true})
	}
	revision, err := m.store.Commit(m.ctx, tx)
	require.NoError(t, err)
	_, err = m.store.WaitFor(m.ctx, revision)
	require.NoError(t, err)

	late := joinRequest(t, once.Token, api.RoleWorker)
	late.Name = "late"
	_, err = m.client.Join(m.ctx, late)
	requireCode(t, api.CodeUnavailable, err) // with which hosts try again
	require.ErrorContains(t, err, "1000 workers have joined and were never seen")
	require.Equal(t, 1, m.usesLeft(once.ID))
	_, err = m.client.Join(m.ctx, awaited)
	require.NoError(t, err, "it has joined already, and asks for its answer")
	manager, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleManager, Uses: 1})
	require.NoError(t, err)
	another := joinRequest(t, manager.Token, api.RoleManager)
	another.Name, another.API = "m2", "10.0.0.2:6720"
	_, err = m.client.Join(m.ctx, another)
	require.NoError(t, err)

	m.put(&api.NodeStatus{Meta: api.Meta{ID: "never7"}, State: api.NodeReady})
	_, err = m.client.Join(m.ctx, late)
	require.NoError(t, err, "one of them came")
}

func TestAJoinThatIsAskedForAgainIsTheSame(t *testing.T) {
	m := newManager(t)
	token, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker, Uses: 1})
	require.NoError(t, err)
	request := joinRequest(t, token.Token, api.RoleWorker)
	first, err := m.client.Join(m.ctx, request)
	require.NoError(t, err)
	before := store.Count[api.Node](m.store.Snapshot())
	again, err := m.client.Join(m.ctx, request)
	require.NoError(t, err, "the token has no use left, but this one had it")
	require.Equal(t, first.Node, again.Node)
	require.NotEqual(t, first.Certificate, again.Certificate)
	require.Equal(t, before, store.Count[api.Node](m.store.Snapshot()))

	other := joinRequest(t, token.Token, api.RoleWorker)
	_, err = m.client.Join(m.ctx, other)
	requireCode(t, api.CodeUnauthorized, err)
	renamed, promoted := request, request
	renamed.Name, promoted.Role = "n4", api.RoleManager
	for _, each := range []api.JoinRequest{renamed, promoted} {
		_, err = m.client.Join(m.ctx, each)
		requireCode(t, api.CodeUnauthorized, err)
	}
	standing, err := m.client.Token(m.ctx, api.RoleWorker)
	require.NoError(t, err)
	renamed.Secret = joinRequest(t, standing.Token, api.RoleWorker).Secret
	_, err = m.client.Join(m.ctx, renamed)
	requireCode(t, api.CodeConflict, err, "a node's already")

	// Another manager may have written the node, whose clock is another.
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		node := *store.Get[api.Node](m.store.Snapshot(), first.Node.ID)
		node.Created = time.Now().Add(off)
		tx := &store.Tx{}
		tx.Update(&node)
		_, err = m.store.Commit(m.ctx, tx)
		require.NoError(t, err)
		_, err = m.client.Join(m.ctx, request)
		require.NoError(t, err)
	}
	// A key that was stolen later gets nothing.
	tx := &store.Tx{}
	tx.Set(&api.NodeStatus{Meta: api.Meta{ID: first.Node.ID}, State: api.NodeReady})
	_, err = m.store.Commit(m.ctx, tx)
	require.NoError(t, err)
	_, err = m.client.Join(m.ctx, request)
	requireCode(t, api.CodeUnauthorized, err)
}

// usesLeft of a token; 0 when there is none of the ID.
func (m *manager) usesLeft(id string) int {
	m.t.Helper()
	tokens, err := m.client.Tokens(m.ctx)
	require.NoError(m.t, err)
	for _, token := range tokens {
		if token.ID == id {
			return token.Uses
		}
	}
	return 0
}

func TestTokensAreListedAndRemoved(t *testing.T) {
	m := newManager(t)
	tokens, err := m.client.Tokens(m.ctx)
	require.NoError(t, err)
	require.Len(t, tokens, 2)
	made, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker, Expires: api.Duration(time.Hour)})
	require.NoError(t, err)
	require.NoError(t, m.client.RemoveToken(m.ctx, made.ID[:12]))
	_, err = m.client.Join(m.ctx, joinRequest(t, made.Token, api.RoleWorker))
	requireCode(t, api.CodeUnauthorized, err, "removed")
	requireCode(t, api.CodeNotFound, m.client.RemoveToken(m.ctx, made.ID), made.ID)
	_, err = m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker})
	requireCode(t, api.CodeInvalid, err, "must end")

	expired, err := m.client.CreateToken(m.ctx, api.TokenRequest{Role: api.RoleWorker, Expires: 1})
	require.NoError(t, err)
	_, err = m.client.Join(m.ctx, joinRequest(t, expired.Token, api.RoleWorker))
	requireCode(t, api.CodeUnauthorized, err, "expired")
}
