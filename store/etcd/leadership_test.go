package etcd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
)

// generous is a seat that counts how often it was given away.
type generous struct {
	etcd.Seat
	full    error
	yielded int
}

func (g *generous) Writable() error { return g.full }
func (g *generous) Yield() error    { g.yielded++; return nil }

func TestWhoResignsKeepsTheSeatUnlessItCannotWrite(t *testing.T) {
	b, _ := start(t)
	seat := &generous{Seat: b.member}
	config := b.config(t)
	config.Seat = seat
	s := open(t, config)
	for _, full := range []error{nil, store.ErrUnavailable} {
		seat.full = nil
		term, err := s.Campaign(patient(t), "node1")
		require.NoError(t, err)
		seat.full = full
		require.NoError(t, term.Resign(patient(t)))
		leader, err := s.Leader(patient(t))
		require.NoError(t, err)
		require.Empty(t, leader)
		require.Equal(t, full != nil, seat.yielded > 0)
	}
}
