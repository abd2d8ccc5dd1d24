package node

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/store"
)

// ending is a member that ends, or does not.
type ending chan struct{}

func (e ending) Done() <-chan struct{} { return e }
func (e ending) Err() error            { return store.ErrRemoved }

func TestADatabaseThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		away, asked := fmt.Errorf("electing: %w", store.ErrUnavailable), 0
		ask := func() error {
			if asked++; asked < 5 {
				return away
			}
			return nil
		}
		require.NoError(t, answered(t.Context(), make(ending), zap.New(core), ask))
		require.Equal(t, 5, asked)
		require.Equal(t, 1, logs.Len(), "it says what it waits for, once")

		never := func() error { return away }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, answered(ctx, make(ending), zap.NewNop(), never), context.DeadlineExceeded)
		ended := make(ending)
		close(ended)
		require.ErrorIs(t, answered(t.Context(), ended, zap.NewNop(), never), store.ErrRemoved)
		require.ErrorIs(t, answered(t.Context(), ended, zap.NewNop(), func() error { return store.ErrConflict }), store.ErrConflict)
	})
}
