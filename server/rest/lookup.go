package rest

import (
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// object says that *T is an api.Object.
type object[T any] interface {
	*T
	api.Object
}

// maxMatches is how many matches of an ambiguous reference an error lists.
const maxMatches = 5

// find resolves a reference: an ID, a name, or the beginning of one ID. noun is
// what is looked for.
func find[T any, P object[T]](s *store.Snapshot, noun, ref string) (*T, error) {
	if ref == "" {
		return nil, api.Invalidf("a %s is needed: its ID, the beginning of it, or its name", noun)
	}
	if found := store.Get[T, P](s, ref); found != nil && listed(P(found)) {
		return found, nil
	}
	matches := slices.Collect(store.Find[T, P](s, store.ByName, ref))
	if len(matches) == 0 {
		for each := range store.All[T, P](s) {
			if strings.HasPrefix(P(each).Header().ID, ref) && listed(P(each)) {
				matches = append(matches, each)
			}
		}
	}
	switch len(matches) {
	case 0:
		return nil, api.NoSuch(noun, ref, namesOf[T, P](s), "")
	case 1:
		return matches[0], nil
	}
	ids := make([]string, 0, maxMatches+1)
	for _, each := range matches[:min(len(matches), maxMatches)] {
		ids = append(ids, api.ShortID(P(each).Header().ID))
	}
	if len(matches) > maxMatches {
		ids = append(ids, "…")
	}
	return nil, api.Conflictf("%s %s is ambiguous: it matches %s; give more of the ID", noun, api.Quoted(ref), strings.Join(ids, ", "))
}

// namesOf are the names of all objects of a kind, in order; none for a kind without.
func namesOf[T any, P object[T]](s *store.Snapshot) []string {
	var names []string
	for each := range store.All[T, P](s) {
		if name := nameOf(P(each)); name != "" && listed(P(each)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// listed is false for old versions of secrets and configs, which have no name.
func listed(object api.Object) bool {
	switch o := object.(type) {
	case *api.Secret:
		return o.Name != ""
	case *api.Config:
		return o.Name != ""
	}
	return true
}

// list returns the objects of a kind in the order of their names.
func list[T any, P object[T]](s *store.Snapshot) []*T {
	all := []*T{}
	for each := range store.All[T, P](s) {
		if listed(P(each)) {
			all = append(all, each)
		}
	}
	slices.SortStableFunc(all, func(a, b *T) int { return strings.Compare(nameOf(P(a)), nameOf(P(b))) })
	return all
}

func nameOf(object api.Object) string {
	if node, ok := object.(*api.Node); ok {
		return node.Name
	}
	if named, ok := object.(api.Named); ok {
		return named.UniqueName()
	}
	return ""
}

// findTask resolves a task: an ID, the beginning of one, or its name, which is the
// newest task of that slot.
func findTask(s *store.Snapshot, ref string) (*api.Task, error) {
	if task := taskNamed(s, ref); task != nil {
		return task, nil
	}
	task, err := find[api.Task](s, "task", ref)
	if api.CodeOf(err) == api.CodeNotFound {
		return nil, api.NoSuch("task", ref, taskNames(s, ref), "")
	}
	return task, err
}

// taskNames are the names of the tasks that may have been meant by ref: those of the
// service that it names, or nearly does. Looking at all tasks would take too long.
func taskNames(s *store.Snapshot, ref string) []string {
	services := namesOf[api.Service](s)
	halves := []string{ref}
	if dot := strings.LastIndexByte(ref, '.'); dot > 0 {
		halves = append(halves, ref[:dot])
	}
	var names []string
	for _, half := range halves {
		service := store.First[api.Service](s, store.ByName, api.Nearest(half, services))
		if service == nil {
			continue
		}
		for task := range store.Find[api.Task](s, store.ByService, service.ID) {
			if task.Desired == api.DesiredRun {
				names = append(names, taskName(s, service.Name, task))
			}
		}
	}
	slices.Sort(names)
	return names
}

// taskNamed finds SERVICE.SLOT or SERVICE.NODE. Both halves may have dots.
func taskNamed(s *store.Snapshot, name string) *api.Task {
	for at := range len(name) {
		if name[at] != '.' {
			continue
		}
		service := store.First[api.Service](s, store.ByName, name[:at])
		if service == nil {
			continue
		}
		var newest *api.Task
		for task := range store.Find[api.Task](s, store.ByService, service.ID) {
			if taskName(s, service.Name, task) == name && (newest == nil || newer(task, newest)) {
				newest = task
			}
		}
		if newest != nil {
			return newest
		}
	}
	return nil
}

// newer orders tasks of one slot: those that should run before those that
// should not, then by age.
func newer(a, b *api.Task) bool {
	if wanted, other := a.Desired == api.DesiredRun, b.Desired == api.DesiredRun; wanted != other {
		return wanted
	}
	if !a.Created.Equal(b.Created) {
		return a.Created.After(b.Created)
	}
	return a.ID > b.ID
}

func taskName(s *store.Snapshot, service string, task *api.Task) string {
	return api.TaskName(service, task, nodeName(s, task.Node))
}

func nodeName(s *store.Snapshot, id string) string {
	if node := store.Get[api.Node](s, id); node != nil {
		return node.Name
	}
	return ""
}

// selection is the tasks that a query asks for by service, app, node and task.
type selection struct {
	service *api.Service
	app     *api.App
	node    *api.Node
	task    *api.Task
}

// choose resolves the references of a query.
func choose(s *store.Snapshot, get func(string) string) (c selection, err error) {
	if ref := get("service"); ref != "" {
		if c.service, err = find[api.Service](s, "service", ref); err != nil {
			return c, err
		}
	}
	if ref := get("app"); ref != "" {
		if c.app, err = find[api.App](s, "app", ref); err != nil {
			return c, err
		}
	}
	if ref := get("node"); ref != "" {
		if c.node, err = find[api.Node](s, "node", ref); err != nil {
			return c, err
		}
	}
	if ref := get("task"); ref != "" {
		if c.task, err = findTask(s, ref); err != nil {
			return c, err
		}
	}
	return c, nil
}

// tasks are those that all parts of the selection have.
func (c selection) tasks(s *store.Snapshot) []*api.Task {
	var tasks []*api.Task
	add := func(task *api.Task) {
		if (c.service == nil || task.Service == c.service.ID) && (c.node == nil || task.Node == c.node.ID) &&
			(c.task == nil || task.ID == c.task.ID) && (c.app == nil || appOf(s, task) == c.app.ID) {
			tasks = append(tasks, task)
		}
	}
	each := store.All[api.Task](s)
	switch {
	case c.task != nil:
		if task := store.Get[api.Task](s, c.task.ID); task != nil {
			add(task)
		}
		return tasks
	case c.service != nil:
		each = store.Find[api.Task](s, store.ByService, c.service.ID)
	case c.app != nil:
		for service := range store.Find[api.Service](s, store.ByApp, c.app.ID) {
			for task := range store.Find[api.Task](s, store.ByService, service.ID) {
				add(task)
			}
		}
		return tasks
	case c.node != nil:
		each = store.Find[api.Task](s, store.ByNode, c.node.ID)
	}
	for task := range each {
		add(task)
	}
	return tasks
}

func appOf(s *store.Snapshot, task *api.Task) string {
	if service := store.Get[api.Service](s, task.Service); service != nil {
		return service.App
	}
	return ""
}
