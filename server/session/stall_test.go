package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// slow is a database whose disk may stall: nothing is committed without the token.
type slow struct {
	*memory.Store
	token chan struct{}
}

func (s *slow) Commit(ctx context.Context, tx *store.Tx) (int64, error) {
	s.token <- <-s.token
	return s.Store.Commit(ctx, tx)
}

func TestADatabaseThatStallsLosesNoNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{newStore(t, "n1"), make(chan struct{}, 1)}
		s.token <- struct{}{}
		ctx, cancel := context.WithCancel(context.Background())
		m := &manager{t: t, store: s.Store, d: New(Config{Store: s, Node: "manager"}, zap.NewNop())}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			m.d.Run(ctx)
		}()
		m.stop = func() {
			cancel()
			<-ended
		}
		synctest.Wait()
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()

		<-s.token
		for range 100 {
			a.send(wire.Up{Statuses: []api.TaskStatus{{Meta: api.Meta{ID: "t1"}, State: api.TaskRunning}}})
			time.Sleep(api.DefaultNodeTimeout / 10)
		}
		synctest.Wait()
		require.False(t, a.isCut(), "it is heard, whatever can be written")
		s.token <- struct{}{}
		time.Sleep(10 * api.DefaultNodeTimeout)
		synctest.Wait()
		require.False(t, a.isCut())
		require.Equal(t, api.NodeReady, m.node("n1").State)
	})
}
