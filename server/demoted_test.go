package server

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
)

func TestAManagerHearsThatItIsAWorker(t *testing.T) {
	forcedAt := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		role   api.Role
		term   int // of the node; the certificate's is 1
		forced bool
		apart  time.Duration
		want   api.Reason
	}{
		"it is a manager": {api.RoleManager, 1, false, 0, ""},
		"it was demoted":  {api.RoleWorker, 2, false, 0, api.ReasonDemoted},
		"it was demoted in a cluster that was forced": {api.RoleWorker, 2, true, 0, api.ReasonDemoted},
		"it was promoted after the snapshot":          {api.RoleWorker, 0, true, 2 * time.Hour, api.ReasonDemoted},
		"and does not know when it had a quorum":      {api.RoleWorker, 0, true, -1, api.ReasonDemoted},
		"it was promoted by those who were not lost":  {api.RoleWorker, 0, true, time.Minute, api.ReasonSplit},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := newCluster(t)
			c1.put(&api.Node{Meta: api.Meta{ID: "n2"}, Name: "n2", Role: c.role, Term: c.term, API: "10.0.0.2:6720"})
			if c.forced {
				cluster := &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: c1.authority.Roots()}
				cluster.LeaveBehind(&api.Node{Meta: api.Meta{ID: "m3"}, Name: "m3"}, forcedAt)
				c1.put(cluster)
			}
			shows := issue(t, c1.authority.Of(1), "n2", api.RoleManager)
			require.Eventually(t, func() bool {
				response, err := c1.client(shows.Client()).Get("https://" + c1.address + managers.Alive(c.apart))
				require.NoError(t, err)
				defer response.Body.Close()
				var refusal api.Error
				require.NoError(t, json.NewDecoder(response.Body).Decode(&refusal))
				if response.StatusCode == http.StatusServiceUnavailable && refusal.Reason == "" {
					return false // it is not there yet
				}
				require.Equal(t, c.want, refusal.Reason)
				require.Equal(t, c.want == "", response.StatusCode == http.StatusOK)
				return true
			}, patience, 10*time.Millisecond)
			if c.role == api.RoleWorker {
				peer, err := c1.ask(c1.client(shows.Client()))
				require.NoError(t, err)
				require.Equal(t, ca.RoleWorker, peer.Role, "all else it may as a worker")
			}
		})
	}
}
