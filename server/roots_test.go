package server

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

func TestASessionDoesNotOutliveTheRootThatItsNodeWasVerifiedBy(t *testing.T) {
	c := newCluster(t)
	cluster := api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: c.authority.Roots()}
	c.put(&cluster)
	w := c.work("w1", nil)
	next, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	cluster.Roots = slices.Concat(c.authority.Roots(), next.Roots())
	c.put(&cluster)
	w.mu.Lock()
	seen := len(w.seen)
	w.mu.Unlock()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.seen) > seen
	}, patience, time.Millisecond, "it goes on, and is told of the next root")
	cluster.Roots = next.Roots()
	c.put(&cluster)
	<-w.ended
	last := w.seen[len(w.seen)-1]
	require.NotNil(t, last.Error)
	require.Contains(t, last.Error.Message, "a CA that was replaced")
	require.Equal(t, api.NodeReady, store.Get[api.NodeStatus](c.store.Snapshot(), "w1").State, "it has time to come back")
}
