package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// disk makes one, and says where it is.
func disk(t *testing.T) (disks, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: disks are mounted by root")
	}
	if err := loopDisks(); err != nil {
		t.Skipf("NOT TESTED: there are no disks to be made: %v", err)
	}
	d := disksOf(Config{Dir: t.TempDir()})
	t.Cleanup(func() { require.NoError(t, d.remove()) })
	require.NoError(t, d.make(t.Context(), 1))
	return d, d.of("n1")
}

func TestAPowerCutTakesWhatWasNotSynced(t *testing.T) {
	d, path := disk(t)
	synced, err := os.Create(filepath.Join(path, "synced"))
	require.NoError(t, err)
	_, err = synced.WriteString("for ever")
	require.NoError(t, err)
	require.NoError(t, synced.Sync())
	_, err = synced.WriteString(" and a day")
	require.NoError(t, err)
	require.NoError(t, synced.Close())
	require.NoError(t, os.WriteFile(filepath.Join(path, "written"), []byte("for a while"), 0o600))

	require.NoError(t, d.lose(t.Context(), "n1"))
	got, err := os.ReadFile(filepath.Join(path, "synced"))
	require.NoError(t, err)
	require.Equal(t, "for ever", string(got))
	require.NoFileExists(t, filepath.Join(path, "written"))
	require.NoError(t, os.WriteFile(filepath.Join(path, "written"), []byte("again"), 0o600))
}

func TestAFrozenDiskLetsWritersWait(t *testing.T) {
	d, path := disk(t)
	require.NoError(t, d.freeze("n1"))
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(filepath.Join(path, "file"), nil, 0o600) }()
	select {
	case err := <-wrote:
		require.Fail(t, "nobody writes to a frozen disk", "%v", err)
	case <-time.After(200 * time.Millisecond):
	}
	require.NoError(t, d.thaw("n1"))
	require.NoError(t, <-wrote)
	require.NoError(t, d.thaw("n1"), "there is nothing to do")
}

func TestAFullDiskTakesNoByteUntilItIsFreed(t *testing.T) {
	d, path := disk(t)
	require.NoError(t, d.fill("n1"))
	file := filepath.Join(path, "file")
	require.Error(t, os.WriteFile(file, make([]byte, 2<<20), 0o600))
	require.NoError(t, d.free("n1"))
	require.NoError(t, os.WriteFile(file, make([]byte, 2<<20), 0o600))
}

func TestADiskThatIsMemoryCanBeFilledAndStays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: disks are mounted by root")
	}
	d := disksOf(Config{Dir: t.TempDir()})
	d.plain = true
	require.NoError(t, d.make(t.Context(), 1))
	file := filepath.Join(d.of("n1"), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, d.fill("n1"))
	require.Error(t, os.WriteFile(filepath.Join(d.of("n1"), "more"), make([]byte, 2<<20), 0o600))
	require.NoError(t, d.free("n1"))
	require.NoError(t, d.lose(t.Context(), "n1"))
	require.FileExists(t, file)
	require.NoError(t, d.remove())
	require.NoFileExists(t, file)
}

func TestDisksLeaveNothingBehind(t *testing.T) {
	d, path := disk(t)
	require.NoError(t, d.freeze("n1"))
	require.NoError(t, d.remove())
	require.NoError(t, d.released(t.Context(), "n1"))
	for _, dir := range []string{path, d.images} {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
