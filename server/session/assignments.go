package session

import (
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// splitAt is how many bytes of files and specs, about, one message carries.
const splitAt = 4 << 20

// assignments mirrors what a node has been told, so that each spec and file goes
// out once. It is for one goroutine.
type assignments struct {
	node  string
	tasks map[string]assigned
	specs map[string]*sentSpec // by wire.Assignment.SpecID
	files map[string]int       // by wire.FileID: how many specs use it
}

type assigned struct {
	version int64
	spec    string
	ended   bool
}

type sentSpec struct {
	tasks int
	files []string
}

func newAssignments(node string) *assignments {
	return &assignments{
		node: node, tasks: make(map[string]assigned), specs: make(map[string]*sentSpec), files: make(map[string]int),
	}
}

// full is everything: one message, or several of which the last is Full when
// what the tasks need is large.
func (a *assignments) full(snapshot *store.Snapshot) []wire.Down {
	out := newOutput(snapshot)
	for task := range store.Find[api.Task](snapshot, store.ByNode, a.node) {
		a.assign(out, task)
		a.end(out, task.ID)
	}
	messages := out.finish()
	messages[len(messages)-1].Full = true
	return messages
}

// delta is what became of the tasks that may have changed.
func (a *assignments) delta(snapshot *store.Snapshot, dirty map[string]struct{}) []wire.Down {
	if len(dirty) == 0 {
		return nil
	}
	ids := make([]string, 0, len(dirty))
	for id := range dirty {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	// What goes is noted first, so that a spec whose last task goes is sent again
	// for one that comes, in whichever order the node acts.
	out := newOutput(snapshot)
	var here []*api.Task
	for _, id := range ids {
		task := store.Get[api.Task](snapshot, id)
		known, sent := a.tasks[id]
		switch {
		case task == nil || task.Node != a.node:
			if sent {
				a.forget(id)
				out.last.Removed = append(out.last.Removed, id)
			}
		case !sent || known.version != task.Version:
			here = append(here, task)
		}
	}
	for _, task := range here {
		a.assign(out, task)
	}
	for _, id := range ids {
		a.end(out, id)
	}
	if len(out.last.Tasks) == 0 && len(out.last.Removed) == 0 && len(out.last.Ended) == 0 {
		return nil
	}
	return out.finish()
}

// assign adds a task, with its spec and files when the node lacks them.
func (a *assignments) assign(out *output, task *api.Task) {
	assignment := wire.Assignment{Task: *task}
	specID := assignment.SpecID()
	if node := store.Get[api.Node](out.snapshot, a.node); node != nil {
		assignment.NodeName = node.Name
	}
	revision := store.Get[api.Revision](out.snapshot, specID)
	if service := store.Get[api.Service](out.snapshot, task.Service); service != nil {
		assignment.ServiceName, assignment.AppName = service.Name, service.AppName
	} else if revision != nil {
		assignment.ServiceName = revision.Spec.Name
	}
	if known, sent := a.tasks[task.ID]; !sent || known.spec != specID {
		a.forget(task.ID)
		a.need(out, specID, revision)
	}
	a.tasks[task.ID] = assigned{version: task.Version, spec: specID, ended: a.tasks[task.ID].ended}
	out.last.Tasks = append(out.last.Tasks, assignment)
}

// end tells, once, that the store has a task's end, if the task has addresses to rest.
func (a *assignments) end(out *output, id string) {
	known, sent := a.tasks[id]
	if !sent || known.ended || !endedOn(store.Get[api.TaskStatus](out.snapshot, id)) {
		return
	}
	known.ended = true
	a.tasks[id] = known
	out.last.Ended = append(out.last.Ended, id)
}

// endedOn says whether a status is of a task that has ended, and was on a network.
func endedOn(object api.Object) bool {
	status, ok := object.(*api.TaskStatus)
	return ok && status != nil && status.State.Terminal() && len(status.Addresses) > 0
}

// need counts one more task of a spec, and sends it if it is the first.
func (a *assignments) need(out *output, specID string, revision *api.Revision) {
	spec := a.specs[specID]
	if spec == nil {
		spec = &sentSpec{}
		a.specs[specID] = spec
		if revision != nil {
			out.spec(specID, revision.Spec)
			spec.files = a.needFiles(out, revision.Spec.Container)
		}
	}
	spec.tasks++
}

func (a *assignments) needFiles(out *output, container api.ContainerSpec) []string {
	var ids []string
	send := func(ref api.FileReference, data []byte, found bool) {
		id := wire.FileID(ref)
		ids = append(ids, id)
		if a.files[id]++; a.files[id] == 1 && found {
			out.file(id, data)
		}
	}
	for _, ref := range container.Secrets {
		secret := versionOf[api.Secret](out.snapshot, ref)
		if found := secret != nil && secret.Current == ref.Version; found {
			send(ref, secret.Spec.Data, true)
		} else {
			send(ref, nil, false)
		}
	}
	for _, ref := range container.Configs {
		config := versionOf[api.Config](out.snapshot, ref)
		if found := config != nil && config.Current == ref.Version; found {
			send(ref, config.Spec.Data, true)
		} else {
			send(ref, nil, false)
		}
	}
	return ids
}

// versionOf finds the version that a reference is to: an older one that is still
// needed is kept under an ID of its own.
func versionOf[T any, P interface {
	*T
	api.Object
}](snapshot *store.Snapshot, ref api.FileReference) *T {
	if old := store.Get[T, P](snapshot, wire.FileID(ref)); old != nil {
		return old
	}
	return store.Get[T, P](snapshot, ref.ID)
}

// forget drops a task, and its spec and files with the last task that used them,
// as the node does.
func (a *assignments) forget(id string) {
	known, sent := a.tasks[id]
	if !sent {
		return
	}
	delete(a.tasks, id)
	spec := a.specs[known.spec]
	if spec.tasks--; spec.tasks > 0 {
		return
	}
	delete(a.specs, known.spec)
	for _, file := range spec.files {
		if a.files[file]--; a.files[file] == 0 {
			delete(a.files, file)
		}
	}
}

// output collects messages. Specs and files that are large go ahead in messages
// of their own; all tasks are in the last one.
type output struct {
	snapshot *store.Snapshot
	ahead    []wire.Down
	last     wire.Down
	bytes    int
}

func newOutput(snapshot *store.Snapshot) *output {
	return &output{snapshot: snapshot, last: wire.Down{Revision: snapshot.Revision()}}
}

func (o *output) spec(id string, spec api.ServiceSpec) {
	if o.last.Specs == nil {
		o.last.Specs = make(map[string]api.ServiceSpec)
	}
	o.last.Specs[id] = spec
	o.grow(2 << 10) // most are smaller
}

func (o *output) file(id string, data []byte) {
	if o.last.Files == nil {
		o.last.Files = make(map[string][]byte)
	}
	o.last.Files[id] = data
	o.grow(len(data))
}

func (o *output) grow(n int) {
	if o.bytes += n; o.bytes > splitAt {
		o.ahead = append(o.ahead, wire.Down{Specs: o.last.Specs, Files: o.last.Files})
		o.last.Specs, o.last.Files, o.bytes = nil, nil, 0
	}
}

func (o *output) finish() []wire.Down { return append(o.ahead, o.last) }
