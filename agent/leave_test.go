package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
)

func TestANodeThatLeavesWaitsForItsContainersToStop(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.runtime.Script("web:1", fake.Script{IgnoreTerm: true})
		h.assign("a", true, nil)
		h.restart() // the process of before
		began := time.Now()
		require.NoError(t, h.agent.Leave(t.Context()))
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second, "it has its time to stop")
		containers, err := h.runtime.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, containers)
		h.restart()
		synctest.Wait()
		require.Equal(t, runtime.Container{}, h.container("a"), "it is not started again")
	})
}
