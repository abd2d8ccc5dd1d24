package chaos

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

const (
	// image is what all containers run, from the archive in the demo images.
	image, archive = "clock:1.0", "clock-1.0.tar"
	// steady keeps its number of replicas, wave changes it all the time.
	steady, wave   = "steady", "wave"
	steadyReplicas = 4
	waveMost       = 6
	waveRest       = 700 * time.Millisecond
	networkOfApps  = "chaos"
)

// apps are services with containers: what the invariants of slots and addresses
// are about.
type apps struct{ cluster *Cluster }

func (a apps) make(ctx context.Context, to *client.Client) error {
	if _, err := to.CreateNetwork(ctx, api.NetworkSpec{Name: networkOfApps}); err != nil {
		return err
	}
	for _, name := range []string{steady, wave} {
		replicas, grace := steadyReplicas, api.Duration(time.Second) // a signal that comes before the program listens is lost
		spec := api.ServiceSpec{
			Name: name, Replicas: &replicas, Networks: []api.NetworkAttachment{{Network: networkOfApps}},
			Container: api.ContainerSpec{Image: image, StopGrace: &grace},
		}
		if _, err := to.CreateService(ctx, api.ServiceCreate{Spec: spec}); err != nil {
			return err
		}
	}
	return nil
}

// run scales wave through any manager until ctx ends. The number is a register's value:
// whichever was acknowledged last must come true.
func (a apps) run(ctx context.Context, t *traffic, random *rand.Rand) {
	for sleep.For(ctx, waveRest) == nil {
		replicas := random.IntN(waveMost + 1)
		managers := a.cluster.names()
		manager := managers[random.IntN(len(managers))]
		if t.one(ctx, 0, manager, wave, func(ctx context.Context, to *client.Client) (Operation, error) {
			_, err := to.Scale(ctx, map[string]int{wave: replicas})
			return Operation{Verb: Write, Value: strconv.Itoa(replicas)}, err
		}) != nil && sleep.For(ctx, restAfterError) != nil {
			return
		}
	}
}

// scale reads how many replicas wave should have. A change of nothing comes first, so
// that everything acknowledged before is seen.
func (a apps) scale(ctx context.Context, to *client.Client) (Operation, error) {
	_, err := to.Scale(ctx, map[string]int{steady: steadyReplicas})
	if err != nil {
		return Operation{Verb: Read}, err
	}
	view, err := to.Service(ctx, wave)
	if err != nil {
		return Operation{Verb: Read}, err
	}
	return Operation{Verb: Read, Value: strconv.Itoa(view.Replicas)}, nil
}

// final reads the scale through every manager within the limit.
func (a apps) final(ctx context.Context, t *traffic, limit time.Duration) error {
	for _, manager := range a.cluster.names() {
		if err := again(ctx, a.cluster.pace, limit, func() error { return t.one(ctx, 0, manager, wave, a.scale) }); err != nil {
			return violationf("convergence", "after all has healed manager %s does not answer for %s: %v", manager, wave, err)
		}
	}
	return nil
}
