package sleep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, For(t.Context(), time.Hour))
		require.Equal(t, time.Hour, time.Since(began))
	})
}

func TestTheEndOfItsContextEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, For(ctx, time.Hour), context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestNothingIsWaitedForAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, For(ctx, time.Hour), context.Canceled)
		require.Equal(t, began, time.Now())
	})
}

func TestLoopsThatBeganApartWakeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = 200 * time.Millisecond
		for _, late := range []time.Duration{0, time.Nanosecond, 70 * time.Millisecond, 199 * time.Millisecond} {
			time.Sleep(late)
			before := time.Now()
			require.NoError(t, For(t.Context(), Next(period)))
			require.Zero(t, time.Now().UnixNano()%int64(period))
			require.Equal(t, period-late, time.Since(before), "begun %s late", late)
		}
	})
}
