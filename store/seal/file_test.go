package seal

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestTheRingSurvivesInItsFile(t *testing.T) {
	dir := t.TempDir()
	ringPath, keyPath := filepath.Join(dir, "ring"), filepath.Join(dir, "key")
	wrap, err := NodeKey(keyPath)
	require.NoError(t, err)
	_, err = Load(ringPath, wrap)
	require.ErrorIs(t, err, fs.ErrNotExist)

	ring := NewRing()
	require.NoError(t, Save(ringPath, ring, wrap))
	for _, path := range []string{ringPath, keyPath} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	text, err := os.ReadFile(ringPath)
	require.NoError(t, err)
	require.False(t, bytes.Contains(text, ring.keys[ring.Active()].raw))

	again, err := NodeKey(keyPath)
	require.NoError(t, err)
	loaded, err := Load(ringPath, again)
	require.NoError(t, err)
	value, err := loaded.Open("a", ring.Seal("a", []byte("value")))
	require.NoError(t, err)
	require.Equal(t, "value", string(value))
	require.Equal(t, ring.Tag("service", "web"), loaded.Tag("service", "web"))
	locked, err := Locked(ringPath)
	require.NoError(t, err)
	require.False(t, locked)

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing is left beside them")
}

func TestAutolock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring")
	node, err := NodeKey(filepath.Join(dir, "key"))
	require.NoError(t, err)
	ring := NewRing()
	wrap, text := NewUnlockKey()
	require.NoError(t, Save(path, ring, wrap))
	locked, err := Locked(path)
	require.NoError(t, err)
	require.True(t, locked)
	_, err = Load(path, node)
	require.ErrorContains(t, err, "locked")
	other, _ := NewUnlockKey()
	_, err = Load(path, other)
	require.ErrorContains(t, err, "not the unlock key")
	_, err = UnlockKey("nonsense")
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	given, err := UnlockKey(text + "\n")
	require.NoError(t, err)
	_, err = Load(path, given)
	require.NoError(t, err)

	require.NoError(t, Save(path, ring, node))
	_, err = Load(path, given)
	require.ErrorContains(t, err, "not locked")
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	path, keyPath := filepath.Join(dir, "ring"), filepath.Join(dir, "key")
	wrap, err := NodeKey(keyPath)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"no JSON":  "hello",
		"cut":      `{"format":1,"wrappedBy":"node-key","ring":"AAAA"}`,
		"altered":  `{"format":1,"wrappedBy":"node-key","ring":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		"by newer": `{"format":99,"wrappedBy":"node-key"}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(path, wrap)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "\n")
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Load(path, wrap)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.WriteFile(keyPath, []byte("short"), 0o600))
	_, err = NodeKey(keyPath)
	require.ErrorContains(t, err, "damaged")
}
