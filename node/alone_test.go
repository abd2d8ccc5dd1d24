package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

func TestAManagerThatIsLeftAloneTakesOverAsManyNodesAsThereAre(t *testing.T) {
	m := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	m.waitReady(m.config.DataDir)
	require.NoError(t, m.stop())
	const batches, each = 5, 40
	withDatabase(t, m.config, func(n *process) {
		n.commit(t, func(d *deploy.Draft) {
			d.Put(nil, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "10.0.0.2:6720"})
			d.Put(nil, &api.NodeStatus{Meta: api.Meta{ID: "m2"}, State: api.NodeReady, Manager: "m2"})
		})
		for batch := range batches {
			n.commit(t, func(d *deploy.Draft) {
				for i := range each {
					id := fmt.Sprintf("w%d", batch*each+i)
					d.Put(nil, &api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker})
					d.Put(nil, &api.NodeStatus{
						Meta: api.Meta{ID: id}, State: api.NodeReady, Manager: "m2",
						Info: api.NodeInfo{Volumes: []string{strings.Repeat("v", 64<<10)}},
					})
				}
			})
		}
		require.NoError(t, n.alone(t.Context()))
		snapshot := n.database.store.Snapshot()
		require.Nil(t, store.Get[api.Node](snapshot, "m2"))
		require.Nil(t, store.Get[api.NodeStatus](snapshot, "m2"))
		taken := 0
		for status := range store.All[api.NodeStatus](snapshot) {
			require.Equal(t, n.identity.ID, status.Manager)
			taken++
		}
		require.Equal(t, batches*each, taken)
	})
}

// It may have been demoted just before the others were lost, when its vote was needed.
func TestAWorkerThatIsLeftAloneIsTheManager(t *testing.T) {
	m := startManager(t, managerConfig(t.TempDir(), freePort(t)))
	m.waitReady(m.config.DataDir)
	require.NoError(t, m.stop())
	withDatabase(t, m.config, func(n *process) {
		n.commit(t, func(d *deploy.Draft) {
			d.Put(nil, &api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "10.0.0.2:6720"})
			before := store.Get[api.Node](d.Snapshot(), n.identity.ID)
			after := *before
			after.Role = api.RoleWorker
			d.Put(before, &after)
			cluster := store.Get[api.Cluster](d.Snapshot(), api.ClusterID)
			banned := *cluster
			banned.BanTerm(n.identity.ID, before.Term, time.Now())
			d.Put(cluster, &banned)
		})
		require.NoError(t, n.alone(t.Context()))
		snapshot := n.database.store.Snapshot()
		require.Nil(t, store.Get[api.Node](snapshot, "m2"))
		own := store.Get[api.Node](snapshot, n.identity.ID)
		require.Equal(t, api.RoleManager, own.Role)
		require.NotEmpty(t, own.API)
		require.NotContains(t, store.Get[api.Cluster](snapshot, api.ClusterID).Banned, n.identity.ID)
	})
}
