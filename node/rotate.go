package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/seal"
)

// keyRetry is the pause after a step that failed, such as one that needs another
// manager.
const keyRetry = 2 * time.Second

// watchKeys keeps this manager's keys as the cluster wants them until ctx ends:
// wrapped by what opens them, and at the step that a rotation is at.
func (n *process) watchKeys(ctx context.Context) error {
	watcher := n.database.store.Watch()
	defer watcher.Close()
	var done *api.Cluster
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		for snapshot := update.Snapshot; ; snapshot = n.database.store.Snapshot() {
			cluster := store.Get[api.Cluster](snapshot, api.ClusterID)
			if cluster == nil || cluster == done && cluster.Keys.Phase == api.KeysSettled {
				break
			}
			err := n.keepKeys(ctx, snapshot, cluster)
			if err == nil {
				done = cluster
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.log.Warn("this manager's keys are not yet as the cluster wants them", zap.Error(err))
			if err := sleep.For(ctx, keyRetry); err != nil {
				return err
			}
		}
	}
}

func (n *process) keepKeys(ctx context.Context, snapshot *store.Snapshot, cluster *api.Cluster) error {
	if err := n.secure(cluster); err != nil {
		return err
	}
	if cluster.Keys.Phase == api.KeysSettled {
		return nil
	}
	if self := store.Get[api.Node](snapshot, n.identity.ID); self == nil || self.KeyStep < cluster.Keys.Step {
		if ready, err := n.takeKeyStep(ctx, snapshot, cluster); err != nil || !ready {
			return err
		}
		if err := n.acknowledge(ctx, cluster.Keys.Step); err != nil {
			return err
		}
	}
	if leads, _ := n.database.member.Leading(); !leads {
		return nil
	}
	for _, manager := range managersOf(snapshot) {
		if manager.KeyStep < cluster.Keys.Step && manager.ID != n.identity.ID {
			return nil // its turn comes with its acknowledgement
		}
	}
	return n.advanceKeys(ctx, cluster)
}

func managersOf(snapshot *store.Snapshot) []*api.Node {
	var found []*api.Node
	for node := range store.All[api.Node](snapshot) {
		if node.Role == api.RoleManager {
			found = append(found, node)
		}
	}
	return found
}

// takeKeyStep does what the present step asks of every manager, and has it on the
// disk. It is not ready while there is nothing to be done yet.
func (n *process) takeKeyStep(ctx context.Context, snapshot *store.Snapshot, cluster *api.Cluster) (ready bool, err error) {
	keys := cluster.Keys
	switch {
	case keys.Phase == api.KeysSpread && keys.ID == 0:
		if leads, _ := n.database.member.Leading(); leads {
			return false, n.makeKey(ctx, keys)
		}
		return false, nil
	case keys.Phase == api.KeysSpread && !n.keys.Has(keys.ID):
		err := n.fetchKeys(ctx, managersOf(snapshot), keys.ID)
		if leads, _ := n.database.member.Leading(); leads && errors.Is(err, errKeyLost) {
			return false, n.makeKey(ctx, keys)
		}
		if err != nil {
			return false, err
		}
	case keys.Phase == api.KeysUse:
		if err := n.keys.Use(keys.ID); err != nil {
			return false, err
		}
	case keys.Phase == api.KeysDrop:
		for _, id := range n.keys.IDs() {
			if id == keys.ID {
				continue
			}
			if err := n.keys.Drop(id); err != nil {
				return false, err
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dir.pair.ring != nil { // sealed with the key that is used now
		if err := n.dir.protect(n.keys); err != nil {
			return false, err
		}
	}
	return true, n.saveRing(n.keys)
}

// makeKey makes the new key, and tells the others that there is one. It takes the place of
// one that was lost with who had made it: while a key is spread, nobody seals with it. What
// was acknowledged of that one counts no more.
func (n *process) makeKey(ctx context.Context, keys api.KeyRotation) error {
	if keys.ID != 0 {
		n.log.Warn("no manager has the new key any more: another one is made", zap.Uint32("lost", keys.ID))
	}
	id := n.keys.Add()
	if err := n.saveRing(n.keys); err != nil {
		return err
	}
	return n.changeKeys(ctx, keys, func(next *api.KeyRotation) {
		if next.ID != 0 {
			next.Step++
		}
		next.ID = id
	})
}

// advanceKeys begins the next step, for every manager has done this one.
func (n *process) advanceKeys(ctx context.Context, cluster *api.Cluster) error {
	next := map[api.KeyPhase]api.KeyPhase{api.KeysSpread: api.KeysUse, api.KeysUse: api.KeysDrop, api.KeysDrop: api.KeysSettled}
	if cluster.Keys.Phase == api.KeysUse {
		// From now on nobody seals with an older key. What one sealed is sealed anew,
		// and the history, which nobody will be able to read, is forgotten.
		if err := n.database.store.Reseal(ctx); err != nil {
			return err
		}
		if err := n.database.member.Forget(ctx); err != nil {
			return err
		}
	}
	phase := next[cluster.Keys.Phase]
	n.log.Info("rotating the database's keys", zap.String("done", string(cluster.Keys.Phase)))
	return n.changeKeys(ctx, cluster.Keys, func(keys *api.KeyRotation) {
		keys.Step++
		keys.Phase = phase
	})
}

// changeKeys writes how far the rotation is, unless another manager did since.
func (n *process) changeKeys(ctx context.Context, since api.KeyRotation, change func(*api.KeyRotation)) error {
	_, _, err := deploy.Commit(ctx, n.database.store, func(d *deploy.Draft) error {
		before := store.Get[api.Cluster](d.Snapshot(), api.ClusterID)
		if before == nil || before.Keys != since {
			return nil
		}
		after := *before
		change(&after.Keys)
		d.Put(before, &after)
		return nil
	})
	return err
}

// acknowledge writes that this manager has done the step.
func (n *process) acknowledge(ctx context.Context, step int) error {
	_, _, err := deploy.Commit(ctx, n.database.store, func(d *deploy.Draft) error {
		before := store.Get[api.Node](d.Snapshot(), n.identity.ID)
		if before == nil || before.KeyStep >= step {
			return nil
		}
		after := *before
		after.KeyStep = step
		d.Put(before, &after)
		return nil
	})
	return err
}

// errKeyLost says that every manager was asked, and none has the key. Who made it had it on
// the disk before any other one heard of it, so it is no manager any more, or has lost its
// disk. One that does not answer may have it: when that is lost, a person removes it.
var errKeyLost = errors.New("no manager has the key any more")

// fetchKeys gets the new key from another manager that has it: over the connection
// between the two, never through the database.
func (n *process) fetchKeys(ctx context.Context, managers []*api.Node, id uint32) error {
	var errs []error
	for _, manager := range managers {
		if manager.ID == n.identity.ID || manager.API == "" {
			continue
		}
		data, err := exchange(ctx, n.credentials.Client(), http.MethodGet, "https://"+manager.API+"/v1/ring", nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ring, err := seal.Unmarshal(data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if n.keys.Learn(ring); n.keys.Has(id) {
			return nil
		}
	}
	if len(errs) == 0 {
		return errKeyLost
	}
	return errors.Join(append([]error{fmt.Errorf("no other manager that answers has the key %d", id)}, errs...)...)
}
