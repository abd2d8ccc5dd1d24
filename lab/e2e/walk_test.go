package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/lab"
)

// TestTheWalkEveryUserTakes types what testdata/walk.txtar says on three hosts that
// have nothing yet.
func TestTheWalkEveryUserTakes(t *testing.T) {
	tell(t, bareHosts(t, "walk", 3), filepath.Join("testdata", "walk.txtar"))
}

// bareHosts are machines on which nobody has started anything.
func bareHosts(t *testing.T, name string, count int) *lab.Lab {
	t.Helper()
	if shared == nil {
		t.Skipf("NOT TESTED: it needs root and a built binary: run `make test` as root (it sets %s and %s)", binaryVariable, imagesVariable)
	}
	dir, err := os.MkdirTemp("/tmp", "orc-e2e-")
	require.NoError(t, err)
	hosts, err := lab.Up(t.Context(), lab.Options{Dir: dir, Name: name, Managers: count, Binary: binary(), Bare: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			printLogs(hosts)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		require.NoError(t, hosts.Down(ctx))
		require.NoError(t, os.RemoveAll(dir))
	})
	return hosts
}
