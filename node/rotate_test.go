package node

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/seal"
)

// withDatabase opens the database of a manager that does not run and is the only one.
func withDatabase(t *testing.T, config Config, do func(*process)) {
	t.Helper()
	config.Private, config.Bootstrap = true, false
	require.NoError(t, config.Validate())
	dir, err := openDirectory(config.DataDir)
	require.NoError(t, err)
	n := newProcess(config, dir, zap.NewNop())
	require.NoError(t, n.identify())
	require.NoError(t, n.open(t.Context()))
	require.NoError(t, n.openDatabase(t.Context(), nil))
	defer func() {
		n.closeDatabase()
		require.NoError(t, n.close())
		require.NoError(t, dir.close())
	}()
	do(n)
}

// commit writes what is drafted.
func (n *process) commit(t *testing.T, draft func(*deploy.Draft)) {
	t.Helper()
	_, _, err := deploy.Commit(t.Context(), n.database.store, func(d *deploy.Draft) error {
		draft(d)
		return nil
	})
	require.NoError(t, err)
}

func TestARotationWhoseKeyIsLostGoesOnWithAnother(t *testing.T) {
	m := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	m.waitReady(m.config.DataDir)
	require.NoError(t, m.stop())
	before := ringOnDisk(t, m.config.DataDir).IDs()
	lost := api.KeyRotation{Step: 1, Phase: api.KeysSpread, ID: 42}
	withDatabase(t, m.config, func(n *process) {
		n.commit(t, func(d *deploy.Draft) {
			cluster := store.Get[api.Cluster](d.Snapshot(), api.ClusterID)
			after := *cluster
			after.Keys = lost
			d.Put(cluster, &after)
		})
	})
	m = m.again(t)
	eventually(t, func() bool {
		view, err := m.client.Cluster(t.Context())
		return err == nil && view.Keys.Phase == api.KeysSettled && view.Keys.Step > lost.Step+1
	})
	require.NoError(t, m.label("sealed"))
	require.NoError(t, m.stop())
	after := ringOnDisk(t, m.config.DataDir).IDs()
	require.Len(t, after, 1)
	require.NotContains(t, append(before, lost.ID), after[0])
}

func TestAKeyIsLostWhenAllManagersSayThatTheyHaveItNot(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	ring := seal.NewRing()
	old, err := ring.Marshal()
	require.NoError(t, err)
	id := ring.Add()
	fresh, err := ring.Marshal()
	require.NoError(t, err)
	answering := func(ring []byte) *api.Node {
		return &api.Node{Meta: api.Meta{ID: "other"}, API: b.at(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ring) })}
	}
	has, lacks, self := answering(fresh), answering(old), &api.Node{Meta: api.Meta{ID: "m1"}, API: "127.0.0.1:1"}
	away, joining := &api.Node{Meta: api.Meta{ID: "away"}, API: "127.0.0.1:1"}, &api.Node{Meta: api.Meta{ID: "joining"}}
	for name, c := range map[string]struct {
		managers []*api.Node
		found    bool
		lost     bool
	}{
		"one has it":           {[]*api.Node{self, lacks, has}, true, false},
		"none has it":          {[]*api.Node{self, lacks, joining}, false, true},
		"there is no other":    {[]*api.Node{self}, false, true},
		"one that may have it": {[]*api.Node{self, lacks, away}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := b.asking()
			n.identity.ID = "m1"
			n.keys, err = seal.Unmarshal(old)
			require.NoError(t, err)
			err := n.fetchKeys(t.Context(), c.managers, id)
			require.Equal(t, c.found, err == nil)
			require.Equal(t, c.found, n.keys.Has(id))
			if !c.found {
				require.Equal(t, c.lost, err == errKeyLost)
			}
		})
	}
}
