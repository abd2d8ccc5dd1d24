package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
	"github.com/orc-project/orc/store/storetest"
)

type backend struct{ first *memory.Store }

func (b backend) Open(*testing.T) storetest.Process { return b.first.Process() }
func (b backend) Depose(*testing.T)                 { b.first.Depose() }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend { return backend{memory.New()} })
}

func TestWaitingIsIdleInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		leadership, err := s.Campaign(t.Context(), "one")
		require.NoError(t, err)
		heard, led := make(chan int, 1), make(chan bool, 1)
		go func() {
			w := s.Watch()
			defer w.Close()
			for range 2 {
				update, err := w.Next(t.Context())
				if err == nil && len(update.Changes) > 0 {
					heard <- len(update.Changes)
				}
			}
		}()
		go func() {
			_, err := s.Process().Campaign(t.Context(), "two")
			led <- err == nil
		}()
		synctest.Wait()
		time.Sleep(time.Hour) // the bubble's clock only moves when all wait
		var tx store.Tx
		tx.Create(&api.Task{Meta: api.Meta{ID: "t1"}})
		_, err = leadership.Commit(t.Context(), &tx)
		require.NoError(t, err)
		require.Equal(t, 1, <-heard)
		require.NoError(t, leadership.Resign(t.Context()))
		require.True(t, <-led)
	})
}
