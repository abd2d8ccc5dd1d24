package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestARenewalIsNotMissedWhenTheClockIsPutRight is about a host that boots in 1970,
// and one that was suspended: by its timers a renewal would come decades or days late.
func TestARenewalIsNotMissedWhenTheClockIsPutRight(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, now := range map[string]time.Time{"1970": time.Unix(0, 0), "a month before": at.AddDate(0, -1, 0), "an hour before": at.Add(-time.Hour)} {
		wait, due := renewIn(at, now)
		require.False(t, due, name)
		require.Equal(t, renewLook, wait, name)
	}
	wait, due := renewIn(at, at.Add(-time.Second*30))
	require.True(t, due)
	require.Equal(t, 30*time.Second, wait)
	wait, due = renewIn(at, at.AddDate(0, 1, 0))
	require.True(t, due)
	require.Equal(t, time.Second, wait, "at once, but not in a loop without a pause")
}
