package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestANodeIsWellSinceItAndMostManagersAre(t *testing.T) {
	at := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	h := newHealth([]string{"m1", "m2", "m3"})
	requireWell := func(node string, since time.Duration) {
		t.Helper()
		got, well := h.since(node)
		require.True(t, well)
		require.Equal(t, since, got)
	}
	requireHurt := func(node string) {
		t.Helper()
		_, well := h.since(node)
		require.False(t, well)
	}
	requireWell("w", 0)

	h.begin("w", true)
	h.begin("w", true)
	h.end("w", true, at(1))
	requireHurt("w")
	h.end("w", true, at(2))
	requireWell("w", at(2))

	h.begin("m1", true)
	requireHurt("m1")
	requireWell("w", at(2))
	h.begin("m2", true)
	requireHurt("w")
	requireHurt("m3")
	h.end("m1", true, at(3))
	requireWell("w", at(3))
	requireWell("m3", at(3))
	h.end("m2", true, at(4))
	requireWell("w", at(3))
	requireWell("m2", at(4))
}

func TestANodeIsJudgedWhenItHadTime(t *testing.T) {
	h := newHealth([]string{"m1", "m2", "m3"})
	judged := func(seconds int, well, heard bool) {
		t.Helper()
		at := time.Duration(seconds) * time.Second
		require.Equal(t, well, h.longWell("w", at, 10*time.Second))
		require.Equal(t, heard, h.longHeard("w", at, 10*time.Second))
	}
	judged(1, true, true)
	h.begin("w", false)
	judged(2, false, true)
	h.end("w", false, 3*time.Second)
	judged(4, false, true)
	judged(14, true, true)
	h.begin("w", true)
	judged(15, false, false)
	h.end("w", true, 16*time.Second)
	judged(26, false, false)
	judged(27, true, true)
	h.begin("m1", false)
	h.begin("m2", false)
	judged(28, false, false)
	h.end("m1", false, 30*time.Second)
	judged(40, false, false)
	judged(41, true, true)
}
