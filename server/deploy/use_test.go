package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// leaderWrites writes what the leader or a node would.
func leaderWrites(t *testing.T, s store.Store, objects ...api.Object) {
	t.Helper()
	tx := &store.Tx{}
	for _, object := range objects {
		tx.Set(object)
	}
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
}

// moved is a database with a service api, whose revision 1 used something that its
// revision 2 does without.
func moved(t *testing.T, refer func(*api.ServiceSpec)) (*memory.Store, *api.Service) {
	s := shelf(t)
	using := spec("api")
	refer(&using)
	service := create(t, s, using)
	must(t, s, func(d *Draft) error {
		return d.UpdateService(store.Get[api.Service](d.Snapshot(), service.ID), spec("api"), 0, false)
	})
	return s, store.Get[api.Service](s.Snapshot(), service.ID)
}

func TestWhatAnEarlierRevisionStillRunsOnIsNotRemoved(t *testing.T) {
	task := func(desired api.Desired, state api.TaskState) func(service string) []api.Object {
		return func(service string) []api.Object {
			objects := []api.Object{&api.Task{Meta: api.Meta{ID: "t"}, Service: service, Revision: 1, Slot: 1, Node: "n", Desired: desired}}
			if state != "" {
				objects = append(objects, &api.TaskStatus{Meta: api.Meta{ID: "t"}, State: state})
			}
			return objects
		}
	}
	rollout := func(from, to int, state api.RolloutState) func(service string) []api.Object {
		return func(service string) []api.Object {
			return []api.Object{&api.Rollout{Meta: api.Meta{ID: service}, From: from, To: to, State: state}}
		}
	}
	for name, use := range uses {
		for how, c := range map[string]struct {
			writes func(service string) []api.Object
			used   bool
		}{
			"a task runs":                       {task(api.DesiredRun, api.TaskRunning), true},
			"a task is on its way":              {task(api.DesiredRun, ""), true},
			"a task is made ready":              {task(api.DesiredReady, api.TaskPreparing), true},
			"a task has ended":                  {task(api.DesiredRun, api.TaskFailed), false},
			"a task is to end":                  {task(api.DesiredShutdown, api.TaskRunning), false},
			"an update goes on":                 {rollout(1, 2, api.RolloutUpdating), true},
			"an update is paused":               {rollout(1, 2, api.RolloutPaused), true},
			"an update is over":                 {rollout(1, 2, api.RolloutCompleted), false},
			"a rollback to it goes on":          {rollout(2, 1, api.RolloutRollingBack), true},
			"a rollback from it is over":        {rollout(1, 2, api.RolloutRollbackComplete), false},
			"an update is to go back elsewhere": {rollout(3, 2, api.RolloutUpdating), false},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				s, service := moved(t, use.refer)
				leaderWrites(t, s, c.writes(service.ID)...)
				_, _, err := Commit(t.Context(), s, use.remove)
				if !c.used {
					require.NoError(t, err)
					return
				}
				require.Equal(t, api.CodeConflict, api.CodeOf(err))
				require.ErrorContains(t, err, "is still in use by api at revision 1")
			})
		}
	}
}

func TestWhatTheLeaderWentBackToMeanwhileIsNotRemoved(t *testing.T) {
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			s, service := moved(t, use.refer)
			b := &busy{Store: s, t: t, meddle: func(attempt int) *store.Tx {
				if attempt > 0 {
					return nil
				}
				back := *service
				back.Current, back.Previous = 1, 0
				tx := &store.Tx{}
				tx.Update(&back)
				return tx
			}}
			_, _, err := Commit(t.Context(), b, use.remove)
			require.ErrorContains(t, err, "is in use by api")
		})
	}
}

func TestAServiceThatBecameAJobHasNoWayBack(t *testing.T) {
	s, service := moved(t, uses["secret"].refer)
	must(t, s, func(d *Draft) error {
		job := spec("api")
		job.Mode = api.ModeReplicatedJob
		return d.UpdateService(store.Get[api.Service](d.Snapshot(), service.ID), job, 0, false)
	})
	leaderWrites(t, s, &api.Rollout{Meta: api.Meta{ID: service.ID}, From: 1, To: 2, State: api.RolloutUpdating})
	must(t, s, uses["secret"].remove)
}

func TestPruneLeavesWhatAnUpdateMayGoBackTo(t *testing.T) {
	s := newStore(t)
	deploy := func(change func(*api.AppSpec)) *Draft {
		web := spec("web")
		web.Update.FailureAction = api.FailureRollback
		app := api.AppSpec{Name: "shop", Services: map[string]api.ServiceSpec{"web": web}}
		change(&app)
		require.NoError(t, PrepareApp(func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }, s.Snapshot(), &app))
		d, _, err := Commit(t.Context(), s, func(d *Draft) error {
			_, err := d.Deploy(app, true)
			return err
		})
		require.NoError(t, err)
		return d
	}
	deploy(func(app *api.AppSpec) {
		app.Networks, app.Volumes = map[string]api.NetworkSpec{"back": {}}, map[string]api.VolumeSpec{"data": {}}
		app.Secrets, app.Configs = map[string]api.FileSpec{"key": {Data: []byte("1")}}, map[string]api.FileSpec{"conf": {Data: []byte("1")}}
		web := app.Services["web"]
		web.Networks = []api.NetworkAttachment{{Network: "back"}}
		web.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
		web.Container.Secrets, web.Container.Configs = []api.FileReference{{Source: "key"}}, []api.FileReference{{Source: "conf"}}
		app.Services["web"] = web
	})
	service := store.First[api.Service](s.Snapshot(), store.ByName, "shop_web")
	task := &api.Task{Meta: api.Meta{ID: "t"}, Service: service.ID, Revision: 1, Slot: 1, Node: "n", Desired: api.DesiredRun}
	leaderWrites(t, s, task)
	left := func() int {
		at := s.Snapshot()
		return store.Count[api.Network](at) + store.Count[api.Volume](at) + len(named[api.Secret](at)) + len(named[api.Config](at))
	}

	d := deploy(func(*api.AppSpec) {})
	require.Len(t, d.Warnings, 4)
	for _, warning := range d.Warnings {
		require.Contains(t, warning, "is still in use by shop_web at revision 1")
	}
	require.Equal(t, 4, left())
	require.Equal(t, []string{"shop_web"}, VolumeUsers(s.Snapshot())["shop_data"])
	must(t, s, func(d *Draft) error {
		removed, err := d.PruneNetworks("pruned")
		require.Empty(t, removed)
		return err
	})

	ended := *task
	ended.Desired = api.DesiredShutdown
	leaderWrites(t, s, &ended, &api.Rollout{Meta: api.Meta{ID: service.ID}, From: 1, To: 2, State: api.RolloutCompleted})
	d = deploy(func(*api.AppSpec) {})
	require.Empty(t, strings.Join(d.Warnings, "\n"))
	require.Zero(t, left())
}

func TestNetworksThatAnUpdateMayGoBackToAreNotPruned(t *testing.T) {
	s, service := moved(t, uses["network"].refer)
	prune := func() (removed []*api.Network) {
		must(t, s, func(d *Draft) (err error) {
			removed, err = d.PruneNetworks("pruned")
			return err
		})
		return removed
	}
	leaderWrites(t, s, &api.Rollout{Meta: api.Meta{ID: service.ID}, From: 1, To: 2, State: api.RolloutPaused})
	require.Empty(t, prune())
	leaderWrites(t, s, &api.Rollout{Meta: api.Meta{ID: service.ID}, From: 1, To: 2, State: api.RolloutCompleted})
	require.Len(t, prune(), 1)
}

// Of the thousands of services that may have used a network once, those are compared that
// the leader may take back to it: a transaction has room for so many.
func TestARemovalIsOfWhatMayGoBackAlone(t *testing.T) {
	s, service := moved(t, uses["network"].refer)
	compares := func() bool {
		d := NewDraft(s.Snapshot(), time.Now(), api.NewID)
		require.NoError(t, uses["network"].remove(d))
		return slices.ContainsFunc(d.Tx().Ops(), func(op store.Op) bool { return op.ID == service.ID && op.Kind == api.KindService })
	}
	require.True(t, compares())
	rollout := &api.Rollout{Meta: api.Meta{ID: service.ID}, From: 1, To: 2, State: api.RolloutCompleted, Ended: time.Now()}
	leaderWrites(t, s, rollout)
	require.False(t, compares())
	later := *rollout
	later.From, later.To = 2, 1
	leaderWrites(t, s, &later)
	require.True(t, compares(), "it is not the present revision's")
}
