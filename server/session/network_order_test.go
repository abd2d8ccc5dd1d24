package session

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// TestChangesLeadToWhatIsTrue: whatever changes in whatever order, who was told of
// the changes knows what one knows who is told everything.
func TestChangesLeadToWhatIsTrue(t *testing.T) {
	for seed := range uint64(300) {
		w := &random{Rand: rand.New(rand.NewPCG(seed, 7)), snapshot: store.NewSnapshot(0)}
		audience := newAudience(w.snapshot)
		nodes := []string{"n1", "n2", "n3", "n4"}
		told, around := make(map[string]*known), make(map[string]*surroundings)
		for _, id := range nodes {
			told[id], around[id] = newKnown(), newSurroundings(id, audience)
			told[id].learn(around[id].full(w.snapshot))
		}
		seen, noted := w.snapshot, make(map[string]*news)
		for range 60 {
			for range 1 + w.IntN(4) {
				w.disturb()
			}
			b := audience.tidings(store.Update{Snapshot: w.snapshot, Changes: store.Diff(seen, w.snapshot)})
			seen = w.snapshot
			for _, id := range nodes {
				if noted[id] == nil {
					noted[id] = &news{}
				}
				noted[id].add(&b.everyone)
				noted[id].add(b.of(id))
				if w.IntN(3) == 0 {
					continue // a slow one: it is told of several changes at once
				}
				told[id].learn(around[id].delta(seen, noted[id]))
				delete(noted, id)
				fresh := newKnown()
				fresh.learn(newSurroundings(id, newAudience(seen)).full(seen))
				require.Equal(t, fresh, told[id], "seed %d, node %s", seed, id)
				requireOwnNetworksOnly(t, seen, id, fresh)
			}
		}
	}
}

// requireOwnNetworksOnly holds what a node knows against what it may know, worked
// out another way.
func requireOwnNetworksOnly(t *testing.T, snapshot *store.Snapshot, id string, k *known) {
	mine, runs := make(map[string]bool), false
	if of := store.Get[api.Node](snapshot, id); of != nil && of.Runs {
		runs = true
	}
	for task := range store.All[api.Task](snapshot) {
		status := store.Get[api.TaskStatus](snapshot, task.ID)
		if task.Node != id || status != nil && status.State.Terminal() {
			continue
		}
		spec := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision)).Spec
		for _, attachment := range spec.Attachments() {
			mine[attachment.Network] = true
		}
	}
	mine[api.IngressID] = runs
	for network := range k.networks {
		require.True(t, mine[network])
	}
	for _, block := range k.blocks {
		require.True(t, mine[block.Network])
	}
	for _, service := range k.services {
		require.NotEmpty(t, service.Networks)
		for network := range service.Networks {
			require.True(t, mine[network])
		}
	}
	for _, backend := range k.backends {
		require.Contains(t, k.services, backend.Service)
		for network := range backend.Addresses {
			require.Contains(t, k.services[backend.Service].Networks, network)
		}
	}
	require.NotContains(t, k.peers, id)
}

// random is a database in which anything changes.
type random struct {
	*rand.Rand
	snapshot *store.Snapshot
	serial   int
}

func (w *random) one(of ...string) string { return of[w.IntN(len(of))] }

func (w *random) disturb() {
	b := store.NewBuilder(w.snapshot)
	revision := w.snapshot.Revision() + 1
	put := func(objects ...api.Object) {
		for _, object := range objects {
			object.Header().Version = revision
			b.Put(object)
		}
	}
	network := w.one(api.IngressID, "front", "back", "side")
	service, at := w.one("s1", "s2", "s3"), w.one("n1", "n2", "n3", "n4")
	switch w.IntN(11) {
	case 0:
		if w.IntN(3) == 0 {
			b.Delete(api.KindNetwork, network)
		} else {
			put(overlay(network))
		}
	case 1:
		owner := w.one("", "n1", "n2")
		if w.IntN(3) == 0 {
			b.Delete(api.KindBlock, api.BlockID(network, owner))
		} else {
			put(blockOf(network, owner, w.one("10.1.0.0/28", "10.1.0.16/28")))
		}
	case 2:
		next := node(at, uint16(at[1]-'0'))
		next.Runs, next.Name = w.IntN(4) > 0, w.one("a-", "b-")+at
		put(next)
	case 3:
		put(&api.NodeStatus{Meta: api.Meta{ID: at}, State: api.NodeState(w.one(string(api.NodeReady), string(api.NodeDown))), Info: api.NodeInfo{Address: netip.MustParseAddr(w.one("192.0.2.1", "192.0.2.2"))}})
	case 4:
		b.Delete(api.KindNode, at)
	case 5, 6:
		w.serial++
		var on []string
		for _, each := range []string{"front", "back", "side"} {
			if w.IntN(2) == 0 {
				on = append(on, each)
			}
		}
		var ports []api.Port
		if w.IntN(2) == 0 {
			ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 80, Mode: w.one("ingress", "host")}}
		}
		objects := connected(service, ports, on...)
		objects[0].(*api.Service).Current = w.serial
		made := objects[1].(*api.Revision)
		made.ID, made.Number = api.RevisionID(service, w.serial), w.serial
		put(objects...)
		if w.IntN(4) == 0 {
			b.Delete(api.KindEndpoint, service)
		}
	case 7:
		b.Delete(api.KindService, service)
		b.Delete(api.KindEndpoint, service)
	case 8:
		if of := store.Get[api.Service](w.snapshot, service); of != nil {
			next := taskOf(fmt.Sprint("t", revision), service, at)
			next.Revision, next.Slot = of.Current, w.IntN(2)
			put(next)
		}
	default:
		for task := range store.All[api.Task](w.snapshot) {
			switch w.IntN(6) {
			case 0:
				next := *task
				next.Desired = api.DesiredShutdown
				put(&next)
			case 1, 2, 3:
				status := reached(task.ID, network, w.one("10.1.0.4", "10.1.0.5"))
				status.State = api.TaskState(w.one(string(api.TaskRunning), string(api.TaskRunning), string(api.TaskStopping), string(api.TaskShutdown)))
				if old := store.Get[api.TaskStatus](w.snapshot, task.ID); old == nil || !old.State.Terminal() {
					put(status)
				}
			case 4:
				b.Delete(api.KindTask, task.ID)
				b.Delete(api.KindTaskStatus, task.ID)
			}
		}
	}
	w.snapshot = b.Snapshot(revision)
}
