package managers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestANodeThatIsGoneHoldsNobodyBackThoughAManagersClockIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		tx := &store.Tx{}
		tx.Set(&api.NodeStatus{Meta: api.Meta{ID: "w1"}, State: api.NodeDown, Manager: "m2", Since: time.Now().Add(5 * time.Hour)})
		_, err := s.Commit(context.Background(), tx)
		require.NoError(t, err)
		m := &Managers{config: Config{Store: s, Node: "m1"}, log: zap.NewNop(), floors: make(map[string]int64), early: make(map[string]time.Time), wanted: make(chan struct{}, 1)}
		require.Zero(t, m.Floor(), "it may be on its way back")
		time.Sleep(session.HoldLimit)
		require.Positive(t, m.Floor())
	})
}
