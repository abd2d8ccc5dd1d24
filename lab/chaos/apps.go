package chaos

import (
	"context"
	"math/rand/v2"
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

// run scales wave through any manager that answers until ctx ends. What fails is
// tried again with the next number: whichever was acknowledged last must come true.
func (a apps) run(ctx context.Context, random *rand.Rand) {
	for sleep.For(ctx, waveRest) == nil {
		replicas := random.IntN(waveMost + 1)
		managers := a.cluster.Managers()
		to := a.cluster.Client(managers[random.IntN(len(managers))].Name())
		timed, cancel := context.WithTimeout(ctx, askTime)
		_, err := to.Scale(timed, map[string]int{wave: replicas})
		cancel()
		if err != nil && sleep.For(ctx, restAfterError) != nil {
			return
		}
	}
}
