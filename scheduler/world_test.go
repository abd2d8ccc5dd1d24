package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// world is a cluster without I/O: a snapshot, a clock, and nodes that obey.
type world struct {
	t        testing.TB
	snapshot *store.Snapshot
	planner  *Planner
	now      time.Time
	revision int64
	// shuffle, when set, disturbs the order in which changes are observed.
	shuffle func(int, func(int, int))
	// crash has the revisions whose tasks fail once they run.
	crash map[int]bool
	// broken has those whose tasks no node can make.
	broken map[int]bool
	// dated says that the nodes run an agent that knows of no tasks to be made ready.
	dated bool
}

func newWorld(t testing.TB, nodes int) *world {
	w := &world{t: t, now: start, revision: 1, crash: make(map[int]bool), broken: make(map[int]bool)}
	var objects []api.Object
	for i := range nodes {
		id := fmt.Sprintf("n%03d", i+1)
		objects = append(objects,
			&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Availability: api.AvailabilityActive, Runs: true},
			&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady, Info: api.NodeInfo{
				Platform: api.Platform{OS: "linux", Arch: "amd64"},
				Capacity: api.ResourceSet{NanoCPUs: 16e9, Memory: 64 << 30},
			}})
	}
	w.snapshot = store.NewSnapshot(w.revision, objects...)
	w.planner = New(w.snapshot)
	return w
}

// commit writes objects (nil After deletes) and lets the planner observe.
func (w *world) commit(steps ...Step) {
	b := store.NewBuilder(w.snapshot)
	w.revision++
	var changes []store.Change
	for _, step := range steps {
		object := step.After
		if object == nil {
			old := b.Delete(step.Before.Kind(), step.Before.Header().ID)
			require.NotNil(w.t, old, "deleted what is not there: %+v", step)
			changes = append(changes, store.Change{Kind: step.Before.Kind(), ID: step.Before.Header().ID, Old: old})
			continue
		}
		if step.Before == nil && step.Action == CreateTask {
			require.Nil(w.t, store.Get[api.Task](w.snapshot, object.Header().ID), "task made twice")
		}
		object.Header().Version = w.revision
		old := b.Put(object)
		changes = append(changes, store.Change{Kind: object.Kind(), ID: object.Header().ID, Old: old, New: object})
	}
	w.snapshot = b.Snapshot(w.revision)
	if w.shuffle != nil {
		w.shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	}
	w.planner.Observe(store.Update{Snapshot: w.snapshot, Changes: changes})
}

func (w *world) put(objects ...api.Object) {
	var steps []Step
	for _, object := range objects {
		steps = append(steps, Step{After: object})
	}
	w.commit(steps...)
}

// submit writes a service's next revision, as deploy does.
func (w *world) submit(name string, replicas int, edit func(*api.ServiceSpec)) {
	spec := api.ServiceSpec{Name: name, Container: api.ContainerSpec{Image: "image:1"}}
	if edit != nil {
		edit(&spec)
	}
	spec.Defaults()
	require.NoError(w.t, spec.Validate())
	service := api.Service{Meta: api.Meta{ID: name}, Name: name}
	if old := store.Get[api.Service](w.snapshot, name); old != nil {
		service = *old
	}
	service.Previous, service.Last, service.Replicas = service.Current, service.Last+1, replicas
	service.Current = service.Last
	w.put(&api.Revision{Meta: api.Meta{ID: api.RevisionID(name, service.Current), Created: w.now}, Service: name, Number: service.Current, Spec: spec}, &service)
}

// plan plans once and applies it; every step is a legal one.
func (w *world) plan() []Step {
	return w.apply(w.planner.Plan(w.now))
}

func (w *world) apply(plan Plan) []Step {
	seen := make(map[string]bool)
	for _, step := range plan.Steps {
		require.NotEmpty(w.t, step.Reason, "%+v", step)
		object := step.After
		if object == nil {
			object = step.Before
		}
		key := string(object.Kind()) + object.Header().ID
		require.False(w.t, seen[key], "two steps for one object: %s", key)
		seen[key] = true
	}
	w.commit(plan.Steps...)
	return plan.Steps
}

// obey lets every node that is ready do what its tasks want, one state further.
func (w *world) obey() bool {
	var statuses []api.Object
	for task := range store.All[api.Task](w.snapshot) {
		node := store.Get[api.NodeStatus](w.snapshot, task.Node)
		if node == nil || node.State != api.NodeReady {
			continue
		}
		status := &api.TaskStatus{Node: task.Node}
		if old := store.Get[api.TaskStatus](w.snapshot, task.ID); old != nil {
			copied := *old
			status = &copied
		}
		status.ID, status.Updated = task.ID, w.now
		if next := w.next(task, status.State); next != status.State {
			status.State, status.Since = next, w.now
			statuses = append(statuses, status)
		}
	}
	w.put(statuses...)
	return len(statuses) > 0
}

func (w *world) next(task *api.Task, state api.TaskState) api.TaskState {
	switch {
	case state.Terminal():
		return state
	case task.Desired == api.DesiredReady && w.dated:
		return api.TaskShutdown
	case task.Desired == api.DesiredReady && w.broken[task.Revision]:
		return api.TaskRejected
	case task.Desired == api.DesiredReady && state == "":
		return api.TaskPreparing
	case task.Desired == api.DesiredReady:
		return api.TaskReady
	case task.Desired != api.DesiredRun:
		return api.TaskShutdown
	case w.broken[task.Revision] && state == "":
		return api.TaskRejected
	case state == "", state == api.TaskPreparing, state == api.TaskReady:
		return api.TaskStarting
	case w.crash[task.Revision]:
		return api.TaskFailed
	case state == api.TaskStarting && task.Iteration > 0:
		return api.TaskComplete
	}
	return api.TaskRunning
}

// settle goes on, in small steps of time, until nothing changes any more.
func (w *world) settle(limit time.Duration) {
	end := w.now.Add(limit)
	for quiet := 0; quiet < 3; {
		steps := w.plan()
		if obeyed := w.obey(); len(steps) > 0 || obeyed {
			quiet = 0
			w.now = w.now.Add(100 * time.Millisecond)
			continue
		}
		wake := w.planner.Plan(w.now).Wake
		if wake.IsZero() || wake.After(end) {
			quiet++
			continue
		}
		w.now = wake
	}
}

// running are the service's tasks that run and should.
func (w *world) running(service string) []*api.Task {
	var found []*api.Task
	for task := range store.Find[api.Task](w.snapshot, store.ByService, service) {
		status := store.Get[api.TaskStatus](w.snapshot, task.ID)
		if task.Desired == api.DesiredRun && status != nil && status.State == api.TaskRunning {
			found = append(found, task)
		}
	}
	return found
}

func (w *world) setNode(id string, edit func(*api.Node, *api.NodeStatus)) {
	node, status := *store.Get[api.Node](w.snapshot, id), *store.Get[api.NodeStatus](w.snapshot, id)
	edit(&node, &status)
	w.put(&node, &status)
}
