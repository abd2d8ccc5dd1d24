package managers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// A manager that is forced to go on alone (--force-new-cluster) cannot know whether the
// others are lost. Those that are, and come back, hear from it that they are out. Those
// that were alive all the while are not to be harmed: they say for how long they have had
// no quorum, and whoever had one after the forced one began has not been lost. Two
// clusters have come of one then, with nodes that obey both. Which is to go on, a person
// must say: none of them does anything to the other, and both tell everybody who asks.

const (
	// surely is how much later than the beginning of a forced cluster a manager must have
	// had a quorum to have been alive: it notices late that it has lost that.
	surely = 5 * time.Second
	// splitShown is for how long nothing may have been heard of the other cluster.
	splitShown = 15 * time.Second
)

// Alive is the path and query to ask another manager whether it is there. apart is for how
// long the one that asks has had no quorum; negative when it does not know.
func Alive(apart time.Duration) string {
	if apart < 0 {
		return "/v1/alive"
	}
	return "/v1/alive?" + url.Values{"apart": {apart.String()}}.Encode()
}

// Split says that another cluster has come of this one.
type Split struct {
	Manager string // the name of a manager of the other one; the first of several
	Message string // for a person: what has happened, and what to do
}

// Splits are those that were heard of lately.
func (m *Managers) Splits() []Split {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Split
	var names []string
	for name, heard := range m.outlived {
		if time.Since(heard) < splitShown {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		found = append(found, Split{names[0], splitFrom(names...)})
	}
	for id, node := range all(m.config.Store.Snapshot()) {
		if p := m.peers[id]; p != nil && p.split {
			found = append(found, Split{node.Name, splitOff(node)})
		}
	}
	slices.SortFunc(found, func(a, b Split) int { return strings.Compare(a.Manager, b.Manager) })
	return found
}

func splitFrom(names ...string) string {
	return fmt.Sprintf("this cluster was forced to go on (--force-new-cluster) without %s %s, which had a quorum after that: two clusters command the same nodes; "+
		"stop orc on the managers of the one, empty their data directories, and let them join the other", plural(len(names), "manager"), strings.Join(names, ", "))
}

func splitOff(node *api.Node) string {
	return fmt.Sprintf("the manager %s was forced to go on alone (--force-new-cluster) while the others were alive, and is another cluster that commands the same nodes: "+
		"stop orc on it, `orc node rm --force %s`, and let it join again with an empty data directory", node.Name, node.Name)
}

func (m *Managers) hasSplit(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[node]
	return p != nil && p.split
}

// noteSplit goes by what another manager has answered. m.mu is held.
func (m *Managers) noteSplit(p *peer, id string, err error) {
	split := api.ReasonOf(err) == api.ReasonSplit || api.ReasonOf(err) == api.ReasonRemoved && m.Connected()
	switch {
	case split:
		p.toldSplit = time.Now()
	case err != nil && time.Since(p.toldSplit) < splitShown:
		return // silence is no other word
	}
	if split == p.split {
		return
	}
	if p.split = split; !split {
		return
	}
	if node := store.Get[api.Node](m.config.Store.Snapshot(), id); node != nil {
		m.log.Error(splitOff(node), zap.String("address", node.API))
	}
}

// LeftBehind is what a manager hears that this cluster was forced to go on without; nil
// for any other peer.
func (m *Managers) LeftBehind(r *http.Request, peer ca.Peer) error {
	cluster := store.Get[api.Cluster](m.config.Store.Snapshot(), api.ClusterID)
	if cluster == nil {
		return nil
	}
	left, found := cluster.LeftBehind[peer.ID]
	switch {
	case !found:
		return nil
	case peer.Role != ca.RoleManager:
		return session.Removed()
	case left.Alive.IsZero() && !outlived(r, left, time.Now()):
		return session.Removed()
	}
	if r.URL.Path == "/v1/alive" {
		m.outlive(r.Context(), peer.ID, left)
	}
	return session.Split()
}

// outlived says whether a manager asks that had a quorum after it was left behind. How
// long ago both were is compared, not when: the clocks may not be the same.
func outlived(r *http.Request, left api.LeftBehind, now time.Time) bool {
	apart, err := time.ParseDuration(r.URL.Query().Get("apart"))
	return err == nil && apart >= 0 && apart+surely < now.Sub(left.Since)
}

// outlive notes that a manager that was left behind was not lost: from now on this cluster
// tells it so, also when it has lost its quorum, or starts.
func (m *Managers) outlive(ctx context.Context, id string, left api.LeftBehind) {
	m.mu.Lock()
	last := m.outlived[left.Name]
	m.outlived[left.Name] = time.Now()
	m.mu.Unlock()
	if !left.Alive.IsZero() || time.Since(last) < surely { // which is being noted
		return
	}
	_, _, err := deploy.Commit(ctx, m.config.Store, func(d *deploy.Draft) error {
		cluster := store.Get[api.Cluster](d.Snapshot(), api.ClusterID)
		if cluster == nil || !cluster.LeftBehind[id].Alive.IsZero() {
			return nil
		}
		after := *cluster
		after.Outlived(id, d.Now())
		d.Put(cluster, &after)
		return nil
	})
	if err != nil {
		m.log.Warn("it is not noted yet that a manager that was left behind is alive: it will ask again", zap.String("manager", left.Name), zap.Error(err))
		return
	}
	m.log.Error(splitFrom(left.Name))
}
