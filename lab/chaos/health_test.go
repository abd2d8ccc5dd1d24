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

	h.begin("w")
	h.begin("w")
	h.end("w", at(1))
	requireHurt("w")
	h.end("w", at(2))
	requireWell("w", at(2))

	h.begin("m1")
	requireHurt("m1")
	requireWell("w", at(2))
	h.begin("m2")
	requireHurt("w")
	requireHurt("m3")
	h.end("m1", at(3))
	requireWell("w", at(3))
	requireWell("m3", at(3))
	h.end("m2", at(4))
	requireWell("w", at(3))
	requireWell("m2", at(4))
}
