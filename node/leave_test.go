package node

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/agent"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime/fake"
	"github.com/orc-project/orc/server/session"
)

func TestAManagerThatWasRemovedWhileItWasAwayStopsItsContainers(t *testing.T) {
	n := changing(t, func(bystanders) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { session.Refuse(w, session.Removed()) }
	})
	n.config.Listen = freePort(t)
	containers := fake.New()
	worker, err := agent.New(agent.Config{Dir: t.TempDir(), Runtime: containers, DiscardOutput: true}, zap.NewNop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1"}}
	spec.Defaults()
	task := wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "t1"}, Service: "s1", Revision: 1, Slot: 1, Desired: api.DesiredRun}}
	require.NoError(t, worker.Apply(wire.Down{
		Full: true, Tasks: []wire.Assignment{task}, Specs: map[string]api.ServiceSpec{task.SpecID(): spec},
	}))
	running := func() int {
		all, err := containers.List(t.Context())
		require.NoError(t, err)
		return len(all)
	}
	require.Eventually(t, func() bool { return running() == 1 }, patience, time.Millisecond)

	go func() { // as the agent begins, sooner or later
		n.agent <- worker
	}()
	require.ErrorContains(t, n.serveToTheEnd(t.Context(), true), "removed from the cluster")
	require.Zero(t, running())
}
