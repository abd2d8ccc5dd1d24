package rest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// public is a service's spec as the API shows it.
func public(s *store.Snapshot, spec api.ServiceSpec) api.ServiceSpec {
	spec = deploy.Readable(s, spec)
	spec.Container.RegistryAuth = ""
	return spec
}

func viewService(s *store.Snapshot, service *api.Service) api.ServiceView {
	view := api.ServiceView{Service: *service, Rollout: store.Get[api.Rollout](s, service.ID)}
	spec := deploy.CurrentSpec(s, service)
	if spec != nil {
		view.Spec = public(s, *spec)
		view.Ports = view.Spec.Ports
	}
	if endpoint := store.Get[api.Endpoint](s, service.ID); endpoint != nil {
		view.Ports = endpoint.Ports
		view.Addresses, view.Warnings = viewAddresses(s, endpoint), endpoint.Lacks
	}
	if spec == nil {
		view.Warnings = append(slices.Clip(view.Warnings), fmt.Sprintf(
			"its revision %d is missing, and nothing is done for it: `orc service rollback --to-revision N %s` goes back to one that `orc service history %s` lists",
			service.Current, service.Name, service.Name))
	}
	if view.Spec.Mode.Global() {
		view.Replicas = 0 // what it has is for when it is replicated again
	} else {
		replicas := service.Replicas
		view.Spec.Replicas, view.Desired = &replicas, replicas
	}
	for task := range store.Find[api.Task](s, store.ByService, service.ID) {
		if view.Spec.Mode.Global() && task.Desired == api.DesiredRun {
			view.Desired++
		}
		status := store.Get[api.TaskStatus](s, task.ID)
		switch {
		case status == nil:
		case status.State == api.TaskRunning && task.Desired == api.DesiredRun:
			view.Running++
		case status.State == api.TaskComplete && task.Desired == api.DesiredRun && task.Revision == service.Current:
			view.Completed++ // those of an earlier run are history already, before the scheduler has said so
		}
	}
	return view
}

func viewAddresses(s *store.Snapshot, endpoint *api.Endpoint) []api.ServiceAddress {
	var addresses []api.ServiceAddress
	for id, at := range endpoint.Virtual {
		address := api.ServiceAddress{Network: api.ShortID(id), Address: at}
		if network := store.Get[api.Network](s, id); network != nil {
			address.Network = network.Name
		}
		addresses = append(addresses, address)
	}
	slices.SortFunc(addresses, func(a, b api.ServiceAddress) int { return strings.Compare(a.Network, b.Network) })
	return addresses
}

// publicApp is an app's spec as the API shows it: without the contents of
// secrets.
func publicApp(spec api.AppSpec) api.AppSpec {
	spec.Services = maps.Clone(spec.Services)
	for key, service := range spec.Services {
		service.Container.RegistryAuth = ""
		spec.Services[key] = service
	}
	spec.Secrets = maps.Clone(spec.Secrets)
	for key, secret := range spec.Secrets {
		secret.Data = nil
		spec.Secrets[key] = secret
	}
	return spec
}

func viewApp(s *store.Snapshot, app *api.App) api.AppView {
	view := api.AppView{App: *app}
	if revision := deploy.CurrentApp(s, app); revision != nil {
		view.Spec = publicApp(revision.Spec)
	}
	for service := range store.Find[api.Service](s, store.ByApp, app.ID) {
		each := viewService(s, service)
		view.Services++
		view.Running += each.Running
		view.Desired += each.Desired
	}
	return view
}

func viewTask(s *store.Snapshot, task *api.Task) api.TaskView {
	view := api.TaskView{Task: *task, NodeName: nodeName(s, task.Node), Status: store.Get[api.TaskStatus](s, task.ID)}
	revision := store.Get[api.Revision](s, api.RevisionID(task.Service, task.Revision))
	if revision != nil {
		view.ServiceName = revision.Spec.Name // the service may be gone already
		view.Image = revision.Spec.Container.Image
		view.Ports = revision.Spec.Ports
	}
	if service := store.Get[api.Service](s, task.Service); service != nil {
		view.ServiceName, view.AppName = service.Name, service.AppName
		if endpoint := store.Get[api.Endpoint](s, service.ID); endpoint != nil && service.Current == task.Revision {
			view.Ports = endpoint.Ports // with their numbers
		}
	}
	if view.ServiceName == "" {
		view.ServiceName = api.ShortID(task.Service)
	}
	view.Name = api.TaskName(view.ServiceName, task, view.NodeName)
	if view.Status == nil {
		view.Status = unreported(task)
	}
	return view
}

// unreported is the status of a task that no node has reported.
func unreported(task *api.Task) *api.TaskStatus {
	status := &api.TaskStatus{Node: task.Node, State: api.TaskAssigned, Since: task.Created, Message: task.Reason}
	status.ID = task.ID
	switch {
	case task.Node != "":
	case task.Desired == api.DesiredRun:
		status.State = api.TaskPending
	default:
		status.State = api.TaskShutdown
	}
	return status
}

// sortTasks orders by service, slot or node, and the newest of a slot first.
func sortTasks(views []api.TaskView) {
	slices.SortFunc(views, func(a, b api.TaskView) int {
		if c := strings.Compare(a.ServiceName, b.ServiceName); c != 0 {
			return c
		}
		if a.Slot != b.Slot {
			return a.Slot - b.Slot
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if newer(&a.Task, &b.Task) {
			return -1
		}
		return 1
	})
}

// viewContainers are a task's containers: the one that is there, or all that are
// known.
func viewContainers(s *store.Snapshot, task *api.Task, all bool) []api.ContainerView {
	status := store.Get[api.TaskStatus](s, task.ID)
	if status == nil {
		return nil
	}
	of := viewTask(s, task)
	var views []api.ContainerView
	for i, attempt := range status.Attempts {
		current := i == len(status.Attempts)-1
		there := current && attempt.Finished.IsZero() && !status.State.Terminal()
		if attempt.Container == "" || !all && !there {
			continue
		}
		view := api.ContainerView{
			ID: attempt.Container, Task: task.ID, Name: of.Name, ServiceName: of.ServiceName, AppName: of.AppName,
			Node: task.Node, NodeName: of.NodeName, Image: of.Image, State: status.State, Attempt: attempt,
		}
		if revision := store.Get[api.Revision](s, api.RevisionID(task.Service, task.Revision)); revision != nil {
			view.Command = strings.Join(slices.Concat(revision.Spec.Container.Entrypoint, revision.Spec.Container.Args), " ")
		}
		switch {
		case there:
			view.Healthy = status.Healthy
		case attempt.ExitCode == 0:
			view.State = api.TaskComplete
		default:
			view.State = api.TaskFailed
		}
		views = append(views, view)
	}
	return views
}

// viewNode joins a node with its status and tasks. leader is the leading node's
// ID.
func (a *API) viewNode(s *store.Snapshot, node *api.Node, leader string) api.NodeView {
	view := api.NodeView{Node: *node, Status: store.Get[api.NodeStatus](s, node.ID), Leader: node.ID == leader}
	if view.Manager = a.managers.State(node, leader); node.Role == api.RoleWorker {
		view.API = "" // what it was is of use to managers alone
	}
	if view.Status == nil {
		view.Status = &api.NodeStatus{State: api.NodeUnknown, Message: "it has never been seen"}
		view.Status.ID = node.ID
	}
	for task := range store.Find[api.Task](s, store.ByNode, node.ID) {
		if task.Desired != api.DesiredRun && task.Desired != api.DesiredReady {
			continue
		}
		if status := store.Get[api.TaskStatus](s, task.ID); status != nil && status.State.Terminal() {
			continue
		}
		view.Tasks++
		if revision := store.Get[api.Revision](s, api.RevisionID(task.Service, task.Revision)); revision != nil {
			add(&view.Reserved, revision.Spec.Resources.Reservations)
		}
	}
	return view
}

func add(sum *api.ResourceSet, part api.ResourceSet) {
	sum.NanoCPUs += part.NanoCPUs
	sum.Memory += part.Memory
	sum.Pids += part.Pids
	for name, n := range part.Generic {
		if sum.Generic == nil {
			sum.Generic = make(map[string]int64)
		}
		sum.Generic[name] += n
	}
}
