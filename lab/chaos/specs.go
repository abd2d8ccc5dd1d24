package chaos

import (
	"context"
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

// specs are registers made of services without tasks: a label is the value, and it
// is changed on condition that the service is at the version that was read.
type specs struct{ keys []string }

const valueLabel = "value"

func (s specs) Keys() []string { return s.keys }

func (s specs) spec(key, value string) api.ServiceSpec {
	none := 0
	return api.ServiceSpec{
		Name: key, Replicas: &none, NetworkMode: "none", Labels: map[string]string{valueLabel: value},
		Container: api.ContainerSpec{Image: image},
	}
}

func (s specs) Make(ctx context.Context, to *client.Client) error {
	for _, key := range s.keys {
		if _, err := to.CreateService(ctx, api.ServiceCreate{Spec: s.spec(key, key), NoResolve: true}); err != nil {
			return err
		}
	}
	return nil
}

func (s specs) Set(ctx context.Context, to *client.Client, key, value string) (Operation, error) {
	view, err := to.Service(ctx, key)
	if err != nil {
		return Operation{}, fmt.Errorf("%w: %w", errNotTried, err)
	}
	return s.swap(ctx, to, view, value)
}

func (s specs) swap(ctx context.Context, to *client.Client, seen api.ServiceView, value string) (Operation, error) {
	_, err := to.UpdateService(ctx, seen.Name, api.ServiceUpdate{Spec: s.spec(seen.Name, value), Version: seen.Version, NoResolve: true})
	return Operation{Verb: Swap, Old: seen.Spec.Labels[valueLabel], Value: value}, err
}

// Get swaps the value for itself: an update that changes nothing writes nothing,
// but is refused if the version is not the newest.
func (s specs) Get(ctx context.Context, to *client.Client, key string) (Operation, error) {
	for {
		view, err := to.Service(ctx, key)
		if err != nil {
			return Operation{}, fmt.Errorf("%w: %w", errNotTried, err)
		}
		value := view.Spec.Labels[valueLabel]
		_, err = s.swap(ctx, to, view, value)
		if api.CodeOf(err) != api.CodeConflict || err == nil {
			return Operation{Verb: Read, Value: value}, err
		}
		if err := sleep.For(ctx, rest); err != nil {
			return Operation{Verb: Read}, err
		}
	}
}

func (s specs) Remove(ctx context.Context, to *client.Client) error {
	return removed(s.keys, func(key string) error { return to.RemoveService(ctx, key) })
}
