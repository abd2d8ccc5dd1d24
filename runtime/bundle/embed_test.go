//go:build bundle

package bundle

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmbeddedProgramsCanBeUnpackedTwice(t *testing.T) {
	b, err := Contents()
	require.NoError(t, err)
	require.Contains(t, b.Versions(), Containerd)
	for range 2 { // the second time from memory that was given back
		dir := t.TempDir()
		target, err := b.Unpack(dir)
		require.NoError(t, err)
		for _, name := range []string{Containerd, Shim, Runc, Init} {
			info, err := os.Stat(filepath.Join(target, name))
			require.NoError(t, err)
			require.Greater(t, info.Size(), int64(1<<20))
		}
	}
}
