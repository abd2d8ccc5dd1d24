package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsSavedIsLoadedOrKnownToBeDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var got map[string]int
	require.ErrorIs(t, Load(path, &got), fs.ErrNotExist)
	require.NoError(t, Save(path, map[string]int{"a": 1}, true))
	require.NoError(t, Save(path, map[string]int{"b": 2}, false))
	require.NoError(t, Load(path, &got))
	require.Equal(t, map[string]int{"b": 2}, got)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := range data {
		require.NoError(t, os.WriteFile(path, data[:cut], 0o600))
		require.Error(t, Load(path, &got), "cut after %d bytes", cut)
	}
	data[len(data)-1]++
	require.NoError(t, os.WriteFile(path, data, 0o600))
	require.ErrorContains(t, Load(path, &got), "checksum")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}
