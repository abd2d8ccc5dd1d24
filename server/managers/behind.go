package managers

import (
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Outlived says whether a manager asks that had a quorum after this cluster was forced to
// go on, which knows it for a worker: it was promoted by those who were left behind. As
// with them, two clusters have come of one then, and nothing is to be done to it.
func (m *Managers) Outlived(r *http.Request, node *api.Node) bool {
	cluster := store.Get[api.Cluster](m.config.Store.Snapshot(), api.ClusterID)
	if cluster == nil {
		return false
	}
	var last api.LeftBehind
	for _, left := range cluster.LeftBehind {
		if left.Since.After(last.Since) {
			last = left
		}
	}
	now := time.Now()
	if last.Since.IsZero() || !outlived(r, last, now) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outlived[node.Name] = now
	return true
}
