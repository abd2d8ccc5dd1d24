package rest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

// eventsOf tells what an update means to people, in the order of the changes.
func eventsOf(update store.Update, now time.Time) []api.Event {
	var events []api.Event
	for _, change := range update.Changes {
		if event, worth := eventOf(update.Snapshot, change); worth {
			event.Time, event.ID = now, change.ID
			events = append(events, event)
		}
	}
	return events
}

// eventOf is one change's event, if it is worth one: what follows from another
// (revisions, statuses that only add detail) is not.
func eventOf(s *store.Snapshot, change store.Change) (api.Event, bool) {
	object := change.New
	if object == nil {
		object = change.Old
	}
	event := api.Event{Type: string(change.Kind), Action: verb(change), Name: nameOf(object), Attributes: map[string]string{}}
	switch o := object.(type) {
	case *api.Service:
		set(&event, "app", o.AppName)
		set(&event, "revision", strconv.Itoa(o.Current))
		if spec := deploy.CurrentSpec(s, o); spec != nil {
			set(&event, "image", spec.Container.Image)
		}
	case *api.Rollout:
		old, _ := change.Old.(*api.Rollout)
		if change.New == nil || old != nil && old.State == o.State {
			return event, false
		}
		event.Type, event.Action = string(api.KindService), string(o.State)
		if service := store.Get[api.Service](s, change.ID); service != nil {
			event.Name = service.Name
		}
		set(&event, "message", o.Message)
	case *api.Task:
		old, _ := change.Old.(*api.Task)
		if change.New != nil && old != nil && old.Desired == o.Desired && old.Node == o.Node {
			return event, false
		}
		if change.New != nil && old != nil {
			event.Action = string(o.Desired)
			if old.Desired == o.Desired {
				event.Action = "place"
			}
		}
		describeTask(&event, s, o)
		set(&event, "message", o.Reason)
	case *api.TaskStatus:
		return statusEvent(event, s, change, o)
	case *api.NodeStatus:
		old, _ := change.Old.(*api.NodeStatus)
		if change.New == nil || old != nil && old.State == o.State {
			return event, false
		}
		event.Type, event.Action, event.Name = string(api.KindNode), string(o.State), nodeName(s, change.ID)
		set(&event, "message", o.Message)
	case *api.Endpoint:
		return endpointEvent(event, s, change, o)
	case *api.App:
		set(&event, "revision", strconv.Itoa(o.Current))
	case *api.Secret, *api.Config:
		if !listed(object) {
			return event, false
		}
	case *api.Volume:
		if old, _ := change.Old.(*api.Volume); change.New != nil && old != nil && api.EqualSpec(old.Spec, o.Spec) {
			return event, false // a service begins to use it, see server/deploy
		}
	case *api.Revision, *api.AppRevision, *api.Block:
		return event, false
	}
	return event, true
}

// endpointEvent tells of what a service cannot have of what it asks for, and when it
// has it.
func endpointEvent(event api.Event, s *store.Snapshot, change store.Change, endpoint *api.Endpoint) (api.Event, bool) {
	var before []string
	if old, ok := change.Old.(*api.Endpoint); ok {
		before = old.Lacks
	}
	service := store.Get[api.Service](s, change.ID)
	if change.New == nil || service == nil || slices.Equal(before, endpoint.Lacks) {
		return event, false
	}
	event.Type, event.Name = string(api.KindService), service.Name
	set(&event, "app", service.AppName)
	if event.Action = "lack"; len(endpoint.Lacks) == 0 {
		event.Action = "have"
	}
	set(&event, "message", cmp.Or(strings.Join(endpoint.Lacks, "; "), "it has what it lacked"))
	return event, true
}

// statusEvent tells of a task's new state.
func statusEvent(event api.Event, s *store.Snapshot, change store.Change, status *api.TaskStatus) (api.Event, bool) {
	old, _ := change.Old.(*api.TaskStatus)
	if change.New == nil || old != nil && old.State == status.State && old.Restarts == status.Restarts {
		return event, false
	}
	event.Type, event.Action = string(api.KindTask), string(status.State)
	if task := store.Get[api.Task](s, change.ID); task != nil {
		describeTask(&event, s, task)
	}
	set(&event, "message", status.Message)
	if n := len(status.Attempts); n > 0 {
		last := status.Attempts[n-1]
		set(&event, "container", last.Container)
		if !last.Finished.IsZero() {
			set(&event, "exitCode", strconv.Itoa(last.ExitCode))
		}
	}
	return event, true
}

func describeTask(event *api.Event, s *store.Snapshot, task *api.Task) {
	view := viewTask(s, task)
	event.Name = view.Name
	set(event, "service", view.ServiceName)
	set(event, "app", view.AppName)
	set(event, "node", view.NodeName)
	set(event, "revision", strconv.Itoa(task.Revision))
}

func set(event *api.Event, name, value string) {
	if value != "" {
		event.Attributes[name] = value
	}
}

func verb(change store.Change) string {
	switch {
	case change.Old == nil:
		return "create"
	case change.New == nil:
		return "remove"
	}
	return "update"
}
