package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInfoDescribesThisHost(t *testing.T) {
	info, err := Info()
	require.NoError(t, err)
	require.NotEmpty(t, info.Hostname)
	require.NotEmpty(t, info.Kernel)
	require.Equal(t, "linux", info.Platform.OS)
	require.Greater(t, info.Capacity.Memory, int64(64<<20))
	require.GreaterOrEqual(t, info.Capacity.NanoCPUs, int64(1e9))
}

func TestPrettyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "os-release")
	require.NoError(t, os.WriteFile(path, []byte("ID=x\nPRETTY_NAME=\"Some Linux 1\"\n"), 0o600))
	require.Equal(t, "Some Linux 1", prettyName(path))
	require.Empty(t, prettyName(path+".missing"))
}
