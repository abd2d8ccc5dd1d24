package rotation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// cluster has a manager and a worker, in a rotation that has just begun.
type cluster struct {
	t        *testing.T
	store    *memory.Store
	old, new string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, store: memory.New()}
	first, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := first.Key()
	require.NoError(t, err)
	second, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	c.old, c.new = first.Digest(), second.Digest()
	object := &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: first.Roots(), CAKey: key}
	require.NoError(t, ca.Rotate(object, second))
	c.set(object,
		&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, Trust: api.Trust{Database: []string{c.old}}},
		&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker, Number: 1})
	return c
}

func (c *cluster) set(objects ...api.Object) {
	c.t.Helper()
	tx := &store.Tx{}
	for _, each := range objects {
		tx.Set(each)
	}
	_, err := c.store.Commit(c.t.Context(), tx)
	require.NoError(c.t, err)
}

// says has a node tell by which roots it goes.
func (c *cluster) says(node, issuer string, roots ...string) {
	c.t.Helper()
	trust := api.Trust{Roots: roots, Issuer: issuer}
	if node == "w1" {
		c.set(&api.NodeStatus{Meta: api.Meta{ID: "w1"}, State: api.NodeReady, Info: api.NodeInfo{Trust: trust}})
		return
	}
	manager := *store.Get[api.Node](c.store.Snapshot(), node)
	trust.Database = manager.Trust.Database
	manager.Trust = trust
	c.set(&manager)
}

func (c *cluster) phase() api.CAPhase {
	synctest.Wait()
	return store.Get[api.Cluster](c.store.Snapshot(), api.ClusterID).CA.Phase
}

// lead has a manager lead until the function that it returns is called.
func (c *cluster) lead(id string) (die func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	leadership, err := c.store.Campaign(ctx, id)
	require.NoError(c.t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Keep(ctx, c.store, leadership, zap.NewNop())
	}()
	return func() {
		cancel()
		<-ended
		require.NoError(c.t, leadership.Resign(context.Background()))
	}
}

func TestWhoeverLeadsGoesOnWithTheRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.store.Close()
		for i, step := range []struct {
			issuer  string
			roots   []string
			present api.CAPhase
			next    api.CAPhase
		}{
			{c.old, []string{c.old, c.new}, api.CATrust, api.CARenew},
			{c.new, []string{c.old, c.new}, api.CARenew, api.CADrop},
			{c.new, []string{c.new}, api.CADrop, api.CASettled},
		} {
			die := c.lead("m" + string(rune('1'+i)))
			require.Equal(t, step.present, c.phase())
			c.says("m1", step.issuer, step.roots...)
			require.Equal(t, step.present, c.phase(), "w1 has not")
			die()
			c.says("w1", step.issuer, step.roots...)
			require.Equal(t, step.present, c.phase(), "nobody leads")
			die = c.lead("m9")
			require.Equal(t, step.next, c.phase())
			die()
		}
		after := store.Get[api.Cluster](c.store.Snapshot(), api.ClusterID)
		require.NotEmpty(t, after.CA.Bridges, "m1's database was not started again")

		defer c.lead("m1")()
		manager := *store.Get[api.Node](c.store.Snapshot(), "m1")
		manager.Trust.Database = []string{c.new}
		c.set(&manager)
		synctest.Wait()
		require.Empty(t, store.Get[api.Cluster](c.store.Snapshot(), api.ClusterID).CA.Bridges)
	})
}

func TestWhoeverIsWaitedForIsNamed(t *testing.T) {
	c := newCluster(t)
	defer c.store.Close()
	view := func(unreachable bool) api.CAView {
		snapshot := c.store.Snapshot()
		view, err := View(snapshot, store.Get[api.Cluster](snapshot, api.ClusterID), func(*api.Node) bool { return unreachable })
		require.NoError(t, err)
		require.Equal(t, 2, view.Nodes)
		return view
	}
	m1, w1 := api.CAWait{ID: "m1", Name: "m1", Role: api.RoleManager}, api.CAWait{ID: "w1", Name: "w1", Role: api.RoleWorker}
	away := func(w api.CAWait) api.CAWait { w.Away = true; return w }
	require.Equal(t, []api.CAWait{m1, away(w1)}, view(false).Waiting)
	require.Equal(t, []api.CAWait{away(m1), away(w1)}, view(true).Waiting)
	c.says("w1", c.old, c.old)
	require.Equal(t, []api.CAWait{m1, w1}, view(false).Waiting, "it is here, and has not done it yet")
	c.says("w1", c.old, c.old, c.new)
	require.Equal(t, []api.CAWait{m1}, view(false).Waiting)
	require.Empty(t, view(false).Restart, "only when it is over")
}
