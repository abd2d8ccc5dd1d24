package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// A service uses what its spec refers to. It also still uses what earlier revisions
// refer to, as long as it has tasks of them or an update that is not over may go back
// to them: else such a task would lose what it runs on, and one that is made anew
// would wait for ever.

// user is a spec that a service uses. A revision other than 0 is one that it has not
// left yet.
type user struct {
	service  string
	spec     *api.ServiceSpec
	revision int
}

// users are the specs that services use, as this draft leaves them, in order.
func (d *Draft) users() []user {
	var found []user
	if d.lingering == nil {
		d.lingering = lingering(d.snapshot)
	}
	for service := range store.All[api.Service](d.snapshot) {
		spec, ours := d.services[service.ID]
		switch {
		case ours && spec == nil:
			continue // removed, and its tasks with it
		case !ours:
			spec = CurrentSpec(d.snapshot, service)
		}
		if spec != nil {
			found = append(found, user{service: service.Name, spec: spec})
		}
		current := 0
		if !ours {
			current = service.Current // which it has here already
		}
		found = append(found, lingerers(d.snapshot, service, d.lingering[service.ID], current)...)
	}
	for _, key := range d.order {
		p := d.puts[key]
		if service, ok := p.after.(*api.Service); ok && p.before == nil {
			found = append(found, user{service: service.Name, spec: d.services[service.ID]})
		}
	}
	slices.SortFunc(found, func(a, b user) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.service, b.service))
	})
	return found
}

// lingering are the numbers of the revisions that services have tasks of or may go
// back to, by the service's ID.
func lingering(snapshot *store.Snapshot) map[string]map[int]bool {
	found := make(map[string]map[int]bool)
	note := func(service string, number int) {
		if found[service] == nil {
			found[service] = make(map[int]bool)
		}
		found[service][number] = true
	}
	for task := range store.All[api.Task](snapshot) {
		if task.Desired != api.DesiredRun && task.Desired != api.DesiredReady {
			continue
		}
		if status := store.Get[api.TaskStatus](snapshot, task.ID); status == nil || !status.State.Terminal() {
			note(task.Service, task.Revision)
		}
	}
	for rollout := range store.All[api.Rollout](snapshot) {
		service := store.Get[api.Service](snapshot, rollout.ID)
		if service == nil {
			continue
		}
		if spec := CurrentSpec(snapshot, service); spec != nil && spec.Mode.Job() {
			continue // it was under way when the service became a job: nothing takes it on
		}
		switch rollout.State {
		case api.RolloutUpdating, api.RolloutPaused:
			note(rollout.ID, rollout.From)
		case api.RolloutRollingBack, api.RolloutRollbackPaused:
			note(rollout.ID, rollout.To)
		}
	}
	return found
}

// lingerers are what a service uses by the revisions of these numbers, but for one.
func lingerers(snapshot *store.Snapshot, service *api.Service, numbers map[int]bool, but int) []user {
	var found []user
	for _, number := range slices.Sorted(maps.Keys(numbers)) {
		if number == but {
			continue
		}
		if revision := store.Get[api.Revision](snapshot, api.RevisionID(service.ID, number)); revision != nil {
			found = append(found, user{service: service.Name, spec: &revision.Spec, revision: number})
		}
	}
	return found
}

// unused is an error when services use what is to be removed. It lets the commit fail
// when a service that used it goes back meanwhile: that the leader does without a mark.
func (d *Draft) unused(kind api.Kind, name string, uses func(*api.ServiceSpec) bool) error {
	var now, still []string
	for _, user := range d.users() {
		switch {
		case !uses(user.spec):
		case user.revision == 0:
			now = append(now, user.service)
		default:
			still = append(still, fmt.Sprintf("%s at revision %d", user.service, user.revision))
		}
	}
	switch {
	case len(now) > 0:
		return api.Conflictf("%s %s is in use by %s: remove or change that first", kind, name, strings.Join(now, ", "))
	case len(still) > 0:
		return api.Conflictf("%s %s is still in use by %s: it can go when no task is of that and no update may go back to it", kind, name, strings.Join(still, ", "))
	}
	for revision := range store.All[api.Revision](d.snapshot) {
		if !uses(&revision.Spec) {
			continue
		}
		if service := store.Get[api.Service](d.snapshot, revision.Service); service != nil && mayGoBack(d.snapshot, service) {
			d.require(service)
		}
	}
	return nil
}

// mayGoBack says whether the leader may take a service back by itself. Where all has come
// to its revision it does that for nothing but a task of an earlier one.
func mayGoBack(snapshot *store.Snapshot, service *api.Service) bool {
	rollout := store.Get[api.Rollout](snapshot, service.ID)
	return rollout == nil || rollout.To != service.Current || rollout.Ended.IsZero()
}

// VolumeUsers are the names of the services that mount each volume, sorted.
func VolumeUsers(snapshot *store.Snapshot) map[string][]string {
	return usersOf(snapshot, func(spec *api.ServiceSpec) (volumes []string) {
		for _, mount := range spec.Container.Mounts {
			if mount.Type == api.MountVolume && mount.Source != "" {
				volumes = append(volumes, mount.Source)
			}
		}
		return volumes
	})
}

// ImageUsers are the names of the services that run each image, by digest, sorted.
func ImageUsers(snapshot *store.Snapshot) map[string][]string {
	return usersOf(snapshot, func(spec *api.ServiceSpec) []string { return []string{spec.Container.Digest} })
}

func usersOf(snapshot *store.Snapshot, uses func(*api.ServiceSpec) []string) map[string][]string {
	users := make(map[string][]string)
	for _, user := range (&Draft{snapshot: snapshot}).users() {
		for _, used := range uses(user.spec) {
			if !slices.Contains(users[used], user.service) {
				users[used] = append(users[used], user.service)
			}
		}
	}
	for _, names := range users {
		slices.Sort(names)
	}
	return users
}
