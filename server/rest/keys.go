package rest

import (
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var keyRoutes = []Route{
	{Method: "GET", Path: "/v1/unlock-key", Access: Users, Does: "the key that opens snapshots, and managers after a restart when the cluster locks itself", handler: (*API).unlockKey},
	{Method: "POST", Path: "/v1/unlock-key/rotate", Access: Users, Does: "a new unlock key", handler: (*API).rotateUnlockKey},
	{Method: "POST", Path: "/v1/lock", Access: Users, Does: "lock this manager, as a restart does", handler: (*API).lock},
	{Method: "POST", Path: "/v1/unlock", Access: Users, Does: "unlock this manager; all that a locked one answers, and on its socket alone", handler: (*API).unlock},
	{Method: "POST", Path: "/v1/keys/rotate", Access: Users, Does: "rotate the keys that seal the database; GET /v1/cluster tells how far it is", handler: (*API).rotateKeys},
	{Method: "GET", Path: "/v1/ring", Access: OtherManagers, Does: "the keys that seal the database, for another manager", handler: (*API).ring},
}

// Keys are what the manager's process knows of keys.
type Keys interface {
	// NewUnlockKey makes one, KeyID names one.
	NewUnlockKey() string
	KeyID(key string) (string, error)
	// Lock locks the manager in a moment.
	Lock() error
	// Ring is what seals the database, in the clear.
	Ring() ([]byte, error)
	// Standing join tokens are derived from the keys.
	ca.Deriver
}

func (a *API) unlockKey(w http.ResponseWriter, _ *http.Request) error {
	return a.replyUnlockKey(w, a.store.Snapshot())
}

func (a *API) replyUnlockKey(w http.ResponseWriter, s *store.Snapshot) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	id, err := a.keys.KeyID(cluster.UnlockKey)
	if err != nil {
		return err
	}
	return reply(w, api.UnlockKey{Key: cluster.UnlockKey, ID: id})
}

func (a *API) rotateUnlockKey(w http.ResponseWriter, r *http.Request) error {
	snapshot, err := a.changeCluster(r, func(cluster *api.Cluster) error {
		cluster.UnlockKey = a.keys.NewUnlockKey()
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyUnlockKey(w, snapshot)
}

func (a *API) lock(w http.ResponseWriter, _ *http.Request) error {
	if err := a.keys.Lock(); err != nil {
		return err
	}
	return done(w)
}

func (a *API) unlock(http.ResponseWriter, *http.Request) error {
	return api.Conflictf("this manager is not locked")
}

func (a *API) rotateKeys(w http.ResponseWriter, r *http.Request) error {
	snapshot, err := a.changeCluster(r, func(cluster *api.Cluster) error {
		if cluster.Keys.Phase != api.KeysSettled {
			return api.Conflictf("the keys are being rotated already: %s", cluster.Keys.Phase)
		}
		cluster.Keys = api.KeyRotation{Step: cluster.Keys.Step + 1, Phase: api.KeysSpread}
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyCluster(w, r, snapshot)
}

func (a *API) ring(w http.ResponseWriter, _ *http.Request) error {
	ring, err := a.keys.Ring()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(ring) // the manager may be gone
	return nil
}

// changeCluster commits a change of the cluster's object.
func (a *API) changeCluster(r *http.Request, change func(*api.Cluster) error) (*store.Snapshot, error) {
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		before, err := clusterOf(d.Snapshot())
		if err != nil {
			return err
		}
		after := *before
		if err := change(&after); err != nil {
			return err
		}
		d.Put(before, &after)
		return nil
	})
	return snapshot, err
}
