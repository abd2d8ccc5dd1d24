package chaos

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatOthersTakeOfTheCoresIsNotHeldAgainstTheLab(t *testing.T) {
	began := time.Now()
	before := reading{began, time.Minute, map[int]time.Duration{1: 5 * time.Second, 2: time.Second}}
	for name, c := range map[string]struct {
		busy time.Duration // of 2 s on two cores
		ours map[int]time.Duration
		want float64
	}{
		"nobody does anything":       {0, before.ours, 1},
		"the lab has both cores":     {2 * time.Second, map[int]time.Duration{1: 6 * time.Second, 2: 2 * time.Second}, 1},
		"others have one":            {2 * time.Second, map[int]time.Duration{1: 6 * time.Second, 2: time.Second}, 0.5},
		"a new process is the lab's": {2 * time.Second, map[int]time.Duration{1: 6 * time.Second, 3: time.Second}, 1},
		"others have both":           {2 * time.Second, before.ours, slowest},
		"a number is used again":     {time.Second, map[int]time.Duration{1: 0}, 0.5},
		"more than there is":         {0, map[int]time.Duration{1: 7 * time.Second}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			after := reading{began.Add(time.Second), before.busy + c.busy, c.ours}
			require.InDelta(t, c.want, free(before, after, 2), 1e-9)
		})
	}
}

func TestAPaceIsAsFastAsTheMachineIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		time.Sleep(time.Second)
		require.Equal(t, time.Second, p.Now(), "until the next reading the last one holds")
		p.add(reading{at: time.Now()}, 0.5)
		require.Equal(t, time.Second, p.Now(), "it does not go back")
		time.Sleep(2 * time.Second)
		require.Equal(t, 1500*time.Millisecond, p.Now())
		p.add(reading{at: time.Now()}, 1)
		require.Equal(t, 2500*time.Millisecond, p.Now())
	})
}

func TestBusyTimeIsThatOfProcesses(t *testing.T) {
	busy, err := busyTime("cpu  100 20 300 4000 50 60 70 8 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	require.NoError(t, err)
	require.Equal(t, 4280*time.Millisecond, busy)
	for _, text := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 x 3 4 5 6 7 8"} {
		_, err := busyTime(text)
		require.Error(t, err, text)
	}
}
