package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

var taskRoutes = []Route{
	{Method: "GET", Path: "/v1/tasks", Access: Users, Does: "the tasks; `service=`, `app=`, `node=`, `desired=` narrow it down", handler: (*API).tasks},
	{Method: "GET", Path: "/v1/tasks/{ref}", Access: Users, Does: "one task, also by SERVICE.SLOT", handler: (*API).task},
	{Method: "GET", Path: "/v1/containers", Access: Users, Does: "the containers that are there, with `all=1` ended ones too; `service=`, `app=`, `node=`", handler: (*API).containers},
	{Method: "GET", Path: "/v1/containers/{ref}", Access: Users, Does: "one container, also by its task's name", handler: (*API).container},
	{Method: "DELETE", Path: "/v1/containers/{ref}", Access: Users, Does: "remove a container; one that runs with `force=1`", handler: (*API).removeContainer},
}

func (a *API) tasks(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	chosen, err := choose(snapshot, r.URL.Query().Get)
	if err != nil {
		return err
	}
	desired := api.Desired(r.URL.Query().Get("desired"))
	if !slices.Contains([]api.Desired{"", api.DesiredReady, api.DesiredRun, api.DesiredShutdown, api.DesiredRemove}, desired) {
		return api.Invalidf("desired=%q: use ready, run, shutdown or remove", desired)
	}
	views := []api.TaskView{}
	for _, task := range chosen.tasks(snapshot) {
		if desired == "" || task.Desired == desired {
			views = append(views, viewTask(snapshot, task))
		}
	}
	sortTasks(views)
	return reply(w, views)
}

func (a *API) task(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	task, err := findTask(snapshot, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return reply(w, viewTask(snapshot, task))
}

func (a *API) containers(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	chosen, err := choose(snapshot, r.URL.Query().Get)
	if err != nil {
		return err
	}
	all, err := truth(r, "all")
	if err != nil {
		return err
	}
	views := []api.ContainerView{}
	for _, task := range chosen.tasks(snapshot) {
		views = append(views, viewContainers(snapshot, task, all)...)
	}
	slices.SortFunc(views, func(a, b api.ContainerView) int {
		if c := b.Attempt.Started.Compare(a.Attempt.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return reply(w, views)
}

// findContainer resolves a container: an ID, the beginning of one, or a task,
// which stands for its current container.
func findContainer(s *store.Snapshot, ref string) (*api.ContainerView, error) {
	if ref == "" {
		return nil, api.Invalidf("a container is needed: its ID, the beginning of it, or its task's name")
	}
	var found []api.ContainerView
	for status := range store.All[api.TaskStatus](s) {
		for _, attempt := range status.Attempts {
			if !strings.HasPrefix(attempt.Container, ref) {
				continue
			}
			task := store.Get[api.Task](s, status.ID)
			if task == nil {
				continue
			}
			for _, view := range viewContainers(s, task, true) {
				if view.ID == ref {
					return &view, nil
				}
				if view.ID == attempt.Container {
					found = append(found, view)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return currentContainer(s, ref)
	case 1:
		return &found[0], nil
	}
	ids := make([]string, 0, maxMatches)
	for _, view := range found[:min(len(found), maxMatches)] {
		ids = append(ids, api.ShortID(view.ID)+" ("+view.Name+")")
	}
	return nil, api.Conflictf("container %s is ambiguous: it matches %s; give more of the ID", api.Quoted(ref), strings.Join(ids, ", "))
}

// currentContainer is the container of a task that is there.
func currentContainer(s *store.Snapshot, ref string) (*api.ContainerView, error) {
	task, err := findTask(s, ref)
	if err != nil {
		if api.CodeOf(err) == api.CodeNotFound {
			return nil, api.NoSuch("container or task", ref, taskNames(s, ref), "`orc ps` lists them")
		}
		return nil, err
	}
	views := viewContainers(s, task, true)
	if len(views) == 0 {
		return nil, api.Conflictf("task %s has no container: it is %s", ref, viewTask(s, task).Status.State)
	}
	return &views[len(views)-1], nil
}

func (a *API) container(w http.ResponseWriter, r *http.Request) error {
	view, err := findContainer(a.store.Snapshot(), r.PathValue("ref"))
	if err != nil {
		return err
	}
	return reply(w, view)
}

func (a *API) removeContainer(w http.ResponseWriter, r *http.Request) error {
	force, err := truth(r, "force")
	if err != nil {
		return err
	}
	view, err := findContainer(a.store.Snapshot(), r.PathValue("ref"))
	if err != nil {
		return err
	}
	if _, err := a.ask(r.Context(), view.Node, wire.DoRequest{Kill: view.ID, Force: force}); err != nil {
		return err
	}
	return done(w)
}
