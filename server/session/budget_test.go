package session

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// TestANodeThatTellsTooMuchIsHeldUp lets one node talk without end: what it says
// is read as fast as it may, and its session and another's go on.
func TestANodeThatTellsTooMuchIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		busy, quiet := m.connect("n1"), m.connect("n2")
		busy.mu.Lock()
		busy.quiet = true // there is no silence to fill
		busy.mu.Unlock()
		sent := make(chan int)
		stop := make(chan struct{})
		go func() {
			count := 0
			for {
				select {
				case <-stop:
					sent <- count
					return
				default:
				}
				count++
				if wire.Write(busy.up, &wire.Up{Info: &api.NodeInfo{Hostname: fmt.Sprint(count)}}) != nil {
					sent <- count
					return
				}
			}
		}()
		time.Sleep(30 * time.Second)
		close(stop)
		count := <-sent
		require.LessOrEqual(t, count, (burst+31*perSecond)/infoCost+1)
		require.Greater(t, count, 10*perSecond/infoCost)
		for _, node := range []string{"n1", "n2"} {
			require.Equal(t, api.NodeReady, store.Get[api.NodeStatus](m.store.Snapshot(), node).State, node)
		}
		busy.hangUp()
		quiet.hangUp()
	})
}
