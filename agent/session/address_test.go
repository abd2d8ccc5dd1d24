package session

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
)

func TestASessionEndsWithItsAddress(t *testing.T) {
	m, n := newManager(t), newNode()
	readdressed, asked := make(chan struct{}), make(chan netip.Addr, 10)
	var gone atomic.Bool
	client := New(Config{
		Node: n, Managers: []string{m.address()}, TLS: m.tls, Info: func() api.NodeInfo { return api.NodeInfo{} },
		Readdressed: readdressed, Here: func(address netip.Addr) bool {
			asked <- address
			return !gone.Load()
		},
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	c := next(t, m.sessions)
	c.down(welcome(time.Hour)) // which is how long silence would take

	readdressed <- struct{}{}
	require.Equal(t, "127.0.0.1", next(t, asked).String(), "other addresses are no reason")
	require.Empty(t, m.sessions)
	gone.Store(true)
	readdressed <- struct{}{}
	again := next(t, m.sessions)
	require.NotNil(t, next(t, again.up).Hello)
	next(t, n.lost)
}

func TestAnAddressThatComesIsTriedAtOnce(t *testing.T) {
	readdressed := make(chan struct{}, 1)
	client := New(Config{Readdressed: readdressed}, zap.NewNop())
	readdressed <- struct{}{}
	require.True(t, client.pause(t.Context(), time.Hour))
	require.False(t, client.pause(t.Context(), time.Nanosecond))
}

func TestNoManagerIsLookedForAtALostAddress(t *testing.T) {
	var m managers
	m.load("", []string{"127.0.0.1:6720"})
	m.learn([]string{"10.0.0.1:6720", "10.0.0.2:6720"})
	m.lose(netip.MustParseAddr("10.0.0.1"))
	require.Equal(t, []string{"10.0.0.2:6720", "127.0.0.1:6720", "10.0.0.2:6720"}, []string{m.next(), m.next(), m.next()})
	m.lose(netip.Addr{})
	require.Equal(t, []string{"127.0.0.1:6720", "10.0.0.1:6720"}, []string{m.next(), m.next()}, "it may be another's by now")

	var only managers
	only.load("", []string{"10.0.0.1:6720"})
	only.lose(netip.MustParseAddr("10.0.0.1"))
	require.Equal(t, "10.0.0.1:6720", only.next(), "the only one is no worse than none")
}
