package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestHeartbeatsOfManySessionsGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()
		time.Sleep(437 * time.Millisecond)
		b := m.connect("n2")
		defer b.hangUp()
		time.Sleep(time.Minute)
		beat := NodeTimeout(m.store.Snapshot()) / beats
		for _, each := range []*agent{a, b} {
			times := each.heartbeats()
			require.InDelta(t, time.Minute/beat, len(times), 1)
			for i, at := range times {
				require.Zero(t, at.Sub(at.Truncate(together)))
				require.True(t, i == 0 || at.Sub(times[i-1]) == beat, "they keep the beat")
			}
		}
	})
}

func TestANextHeartbeatIsNeverLaterThanItsPace(t *testing.T) {
	for _, c := range []struct{ beat, elapsed, next time.Duration }{
		{time.Second, 0, time.Second},
		{time.Second, 7 * time.Millisecond, 993 * time.Millisecond},
		{time.Second, 49 * time.Millisecond, 951 * time.Millisecond},
		{333 * time.Millisecond, 0, 300 * time.Millisecond},
		{333 * time.Millisecond, 30 * time.Millisecond, 320 * time.Millisecond},
		{60 * time.Millisecond, 7 * time.Millisecond, 60 * time.Millisecond}, // too fast to wait for others
	} {
		require.Equal(t, c.next, pace{beat: c.beat}.next(time.Unix(0, 0).Add(c.elapsed)), "%s after %s", c.beat, c.elapsed)
	}
}

// TestNothingIsSweptBeforeItCanBeOver counts how often the sweep looks at the nodes.
func TestNothingIsSweptBeforeItCanBeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		a, b := m.connect("n1"), m.connect("n2")
		defer b.hangUp()
		due := func() time.Time {
			m.d.mu.Lock()
			defer m.d.mu.Unlock()
			return m.d.due
		}
		looks, last := 0, due()
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(50 * time.Millisecond) {
			if synctest.Wait(); due() != last {
				looks, last = looks+1, due()
			}
		}
		// Both are heard each second, so that for two more nothing can be over.
		require.LessOrEqual(t, looks, int(time.Minute/(2*time.Second)))
		require.GreaterOrEqual(t, looks, int(time.Minute/api.DefaultNodeTimeout)-1)

		time.Sleep(time.Millisecond) // to where no sweep is
		a.hangUp()
		require.True(t, due().IsZero(), "its time may end sooner")
	})
}
