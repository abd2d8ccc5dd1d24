package deploy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// CreateService drafts a new service, whose image has been resolved. A spec
// without a name gets one from its image.
func (d *Draft) CreateService(spec api.ServiceSpec) (*api.Service, error) {
	if spec.Name == "" {
		spec.Name = d.inventName(spec.Container.Image)
	}
	spec.Defaults()
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if other := store.First[api.Service](d.snapshot, store.ByName, spec.Name); other != nil {
		return nil, api.Conflictf("a service named %s exists already: choose another name, or change it with `orc service update %s`", spec.Name, spec.Name)
	}
	service := &api.Service{Name: spec.Name}
	if err := d.reviseService(service, nil, spec, "new"); err != nil {
		return nil, err
	}
	return service, d.finish()
}

// UpdateService drafts a new spec for a service. version is what the caller has
// read, or 0. Nothing is drafted when nothing differs, unless force is set.
func (d *Draft) UpdateService(service *api.Service, spec api.ServiceSpec, version int64, force bool) error {
	if version != 0 && version != service.Version {
		return api.Conflictf("service %s was changed meanwhile: read it again", service.Name)
	}
	if spec.Name == "" {
		spec.Name = service.Name
	}
	if spec.Name != service.Name {
		return api.Invalidf("service %s cannot be renamed to %s: create another", service.Name, spec.Name)
	}
	spec.Defaults()
	if err := spec.Validate(); err != nil {
		return err
	}
	after := *service
	reason := "as asked"
	if force {
		after.Forced++
		reason = "forced"
	}
	if err := d.reviseService(&after, service, spec, reason); err != nil {
		return err
	}
	return d.finish()
}

// CurrentSpec is the spec that a service has now, or nil.
func CurrentSpec(snapshot *store.Snapshot, service *api.Service) *api.ServiceSpec {
	revision := store.Get[api.Revision](snapshot, api.RevisionID(service.ID, service.Current))
	if revision == nil {
		return nil
	}
	return &revision.Spec
}

// reviseService gives a service its spec: a new revision when it differs from the
// current one. before is nil for a new service.
func (d *Draft) reviseService(service, before *api.Service, spec api.ServiceSpec, reason string) error {
	if err := d.resolve(&spec); err != nil {
		return err
	}
	replicas := spec.Replicas
	spec.Replicas, spec.Force = nil, service.Forced
	if before == nil {
		service.ID = d.newID()
		service.Replicas = initialReplicas(&spec, replicas)
		if err := d.contradiction(&spec, service.Replicas); err != nil {
			return err
		}
		d.addRevision(service, spec)
		d.create(service)
		d.noteSpec(service, &spec)
		d.step(Create, api.KindService, service.Name, reason)
		return nil
	}
	current := CurrentSpec(d.snapshot, before)
	if current == nil {
		return api.Errorf(api.CodeInternal, "service %s: its revision %d is missing", before.Name, before.Current)
	}
	if service.Forced == before.Forced {
		spec.Force = current.Force // or a rollback would be a difference
	}
	var changes []string
	if !api.EqualSpec(*current, spec) {
		if err := d.contradiction(&spec, *cmp.Or(replicas, &before.Replicas)); err != nil {
			return err
		}
		changes = api.DiffSpec(d.readable(*current), d.readable(spec))
		d.addRevision(service, spec)
	}
	switch {
	case replicas != nil && *replicas != before.Replicas && !spec.Mode.Global():
		changes = append(changes, fmt.Sprintf("replicas: %d → %d", before.Replicas, *replicas))
		service.Replicas = *replicas
	case current.Mode.Global() && !spec.Mode.Global() && before.Replicas == 0:
		service.Replicas = initialReplicas(&spec, replicas)
	}
	// A global service keeps the number that it had before, which it has no use for: it
	// may go back by itself.
	d.noteSpec(service, &spec)
	if len(changes) > 0 {
		d.update(before, service)
		d.step(Update, api.KindService, service.Name, reason, changes...)
	}
	return nil
}

func initialReplicas(spec *api.ServiceSpec, asked *int) int {
	switch {
	case spec.Mode.Global():
		return 0
	case asked != nil:
		return *asked
	}
	return 1
}

func (d *Draft) addRevision(service *api.Service, spec api.ServiceSpec) {
	service.Last++
	service.Previous, service.Current = service.Current, service.Last
	revision := &api.Revision{Service: service.ID, Number: service.Last, Spec: spec}
	revision.ID = api.RevisionID(service.ID, service.Last)
	d.create(revision)
}

// RemoveService drafts a service's end. Its tasks and revisions are the leader's
// to end.
func (d *Draft) RemoveService(service *api.Service, reason string) {
	d.remove(service)
	d.services[service.ID] = nil
	if endpoint := store.Get[api.Endpoint](d.snapshot, service.ID); endpoint != nil {
		d.remove(endpoint)
	}
	d.step(Remove, api.KindService, service.Name, reason)
}

// Scale drafts new replica counts, of all the services or of none.
func (d *Draft) Scale(service *api.Service, replicas int) error {
	spec := CurrentSpec(d.snapshot, service)
	switch {
	case spec == nil:
		return api.Errorf(api.CodeInternal, "service %s: its revision %d is missing", service.Name, service.Current)
	case spec.Mode.Global():
		return api.Invalidf("service %s is %s: it has one task on every node, and cannot be scaled", service.Name, spec.Mode)
	case replicas < 0 || replicas > api.MaxReplicas:
		return api.Invalidf("service %s: replicas %d: use 0 to %d", service.Name, replicas, api.MaxReplicas)
	case replicas == service.Replicas:
		return nil
	}
	after := *service
	after.Replicas = replicas
	d.update(service, &after)
	d.step(Update, api.KindService, service.Name, "as asked", fmt.Sprintf("replicas: %d → %d", service.Replicas, replicas))
	d.services[service.ID] = spec
	return d.connect()
}

// Rebalance asks the leader to spread a service's tasks anew.
func (d *Draft) Rebalance(service *api.Service) error {
	if rollout := store.Get[api.Rollout](d.snapshot, service.ID); rollout != nil {
		switch rollout.State {
		case api.RolloutUpdating, api.RolloutRollingBack, api.RolloutRebalancing:
			return api.Conflictf("service %s is %s just now: `orc service wait %s` tells when that is over", service.Name, words[rollout.State], service.Name)
		case api.RolloutPaused, api.RolloutRollbackPaused:
			return api.Conflictf("service %s: %s", service.Name, rollout.Message)
		}
	}
	after := *service
	after.Rebalance++
	d.update(service, &after)
	d.step(Update, api.KindService, service.Name, "to be rebalanced")
	return nil
}

var words = map[api.RolloutState]string{
	api.RolloutUpdating: "being updated", api.RolloutRollingBack: "being rolled back", api.RolloutRebalancing: "being rebalanced",
}

// RollbackService drafts the way back to a revision; 0 is the previous one. The
// revision rolled back from becomes the previous one.
func (d *Draft) RollbackService(service *api.Service, to int) error {
	if to == 0 {
		to = service.Previous
	}
	switch {
	case to == 0:
		return api.Invalidf("service %s has no previous revision to go back to", service.Name)
	case to == service.Current:
		return api.Invalidf("service %s is at revision %d already", service.Name, to)
	}
	revision := store.Get[api.Revision](d.snapshot, api.RevisionID(service.ID, to))
	if revision == nil {
		return api.NotFoundf("service %s has no revision %d: kept are %s", service.Name, to, d.kept(service))
	}
	d.moveTo(service, revision, fmt.Sprintf("back from revision %d to %d", service.Current, to))
	return d.finish()
}

// moveTo makes an existing revision the current one.
func (d *Draft) moveTo(service *api.Service, revision *api.Revision, reason string) {
	after := *service
	after.Previous, after.Current = service.Current, revision.Number
	d.require(revision)
	d.update(service, &after)
	d.noteSpec(&after, &revision.Spec)
	var changes []string
	if current := CurrentSpec(d.snapshot, service); current != nil {
		changes = api.DiffSpec(d.readable(*current), d.readable(revision.Spec))
	}
	d.step(Update, api.KindService, service.Name, reason, changes...)
}

// kept lists the numbers of a service's revisions.
func (d *Draft) kept(service *api.Service) string {
	var numbers []int
	for revision := range store.Find[api.Revision](d.snapshot, store.ByService, service.ID) {
		numbers = append(numbers, revision.Number)
	}
	slices.Sort(numbers)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")
}

// inventName makes a name of an image's.
func (d *Draft) inventName(image string) string {
	base := "service"
	if named, err := reference.ParseNormalizedNamed(image); err == nil {
		base = path.Base(reference.Path(named))
	}
	id := d.newID()
	return base[:min(len(base), 40)] + "-" + id[:min(len(id), 6)]
}

// noteSpec remembers what a service becomes, for the checks of finish.
func (d *Draft) noteSpec(service *api.Service, spec *api.ServiceSpec) {
	d.services[service.ID] = spec
}
