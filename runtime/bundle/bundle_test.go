package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// pack makes a bundle of files, as the pack command does.
func pack(t *testing.T, files map[string][]byte) *Bundle {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	packed, manifest := fstest.MapFS{}, Manifest{}
	for name, content := range files {
		sum := sha256.Sum256(content)
		manifest.Files = append(manifest.Files, File{Name: name, Version: "1", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content))})
		packed[name+".zst"] = &fstest.MapFile{Data: encoder.EncodeAll(content, nil)}
	}
	data, err := json.Marshal(manifest)
	require.NoError(t, err)
	packed[ManifestName] = &fstest.MapFile{Data: data}
	b, err := Open(packed)
	require.NoError(t, err)
	return b
}

func TestUnpackIsRepeatableAndMendsDamage(t *testing.T) {
	b, dir := pack(t, map[string][]byte{"one": []byte("first"), "two": bytes.Repeat([]byte("second"), 1000)}), t.TempDir()
	check := func() {
		t.Helper()
		target, err := b.Unpack(dir)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, b.Digest), target)
		content, err := os.ReadFile(filepath.Join(target, "one"))
		require.NoError(t, err)
		require.Equal(t, "first", string(content))
		info, err := os.Stat(filepath.Join(target, "two"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o755), info.Mode())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing half-done stays")
	}
	check()
	check()
	require.NoError(t, os.WriteFile(filepath.Join(dir, b.Digest, "one"), []byte("fIrst"), 0o755))
	check()
	require.NoError(t, os.Remove(filepath.Join(dir, b.Digest, "two")))
	check()
}

func TestUnpackAtOnce(t *testing.T) {
	b, dir := pack(t, map[string][]byte{"one": bytes.Repeat([]byte("x"), 1<<20)}), t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := b.Unpack(dir); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestDamagedBundleIsRefused(t *testing.T) {
	b, dir := pack(t, map[string][]byte{"one": []byte("first")}), t.TempDir()
	b.Manifest.Files[0].SHA256 = hex.EncodeToString(make([]byte, sha256.Size))
	_, err := b.Unpack(dir)
	require.ErrorContains(t, err, "damaged")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestPruneKeepsWhatRuns(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	program, err := os.ReadFile(sleep)
	require.NoError(t, err)
	dir := t.TempDir()
	old, other, current := pack(t, map[string][]byte{"run": program}), pack(t, map[string][]byte{"a": {1}}), pack(t, map[string][]byte{"b": {2}})
	oldDir, err := old.Unpack(dir)
	require.NoError(t, err)
	otherDir, err := other.Unpack(dir)
	require.NoError(t, err)
	currentDir, err := current.Unpack(dir)
	require.NoError(t, err)
	process := exec.Command(filepath.Join(oldDir, "run"), "600")
	require.NoError(t, process.Start())
	t.Cleanup(func() { process.Process.Kill(); process.Wait() })

	require.NoError(t, current.Prune(dir))
	require.DirExists(t, oldDir, "a program of it runs")
	require.NoDirExists(t, otherDir)
	require.DirExists(t, currentDir)

	require.NoError(t, process.Process.Kill())
	process.Wait()
	require.NoError(t, current.Prune(dir))
	require.NoDirExists(t, oldDir)
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"files":[{"name":"runc","version":"1","sha256":"` + hex.EncodeToString(make([]byte, 32)) + `","size":1}]}`))
	f.Add([]byte(`{"files":[{"name":"../runc"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		manifest, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, file := range manifest.Files {
			if filepath.Dir(filepath.Join("/dir", file.Name)) != "/dir" {
				t.Fatalf("%q leaves its directory", file.Name)
			}
		}
	})
}
