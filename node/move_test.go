package node

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// managing is a node that is reached at 10.0.0.1.
func managing() *process {
	config := Config{Advertise: "10.0.0.1:7000", Join: []string{"10.0.0.3:7000"}}
	n := newProcess(config, nil, zap.NewNop())
	n.identity = &identity{Managers: []string{"10.0.0.1:7000", "10.0.0.2:7000"}}
	return n
}

func TestAManagersPartBeginsAgainAtAnotherAddress(t *testing.T) {
	n := managing()
	err := n.untilMoved(t.Context(), func(ctx context.Context) error {
		n.move(netip.MustParseAddr("10.0.0.9"))
		<-ctx.Done()
		return errors.New("the others could not be told")
	})
	require.ErrorIs(t, err, errMoved)
	address, _ := n.advertised()
	require.Equal(t, "10.0.0.9:7000", address)
	require.Equal(t, []string{"10.0.0.2:7000", "10.0.0.3:7000"}, n.others(), "it is not one of the others")

	// At an address that stays it ends as it ends.
	failed := errors.New("failed")
	require.Equal(t, failed, n.untilMoved(t.Context(), func(context.Context) error { return failed }))
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, n.untilMoved(ctx, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}), context.Canceled)
	// Another part is another part wherever it is.
	require.ErrorIs(t, n.untilMoved(t.Context(), func(ctx context.Context) error {
		n.move(netip.MustParseAddr("10.0.0.10"))
		<-ctx.Done()
		return errRoleChanged
	}), errRoleChanged)
}
