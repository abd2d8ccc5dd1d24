package node

import (
	"fmt"
	"strings"
	"testing"

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
