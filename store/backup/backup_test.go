package backup

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/seal"
)

var database = bytes.Repeat([]byte("a database, of which only sealed values are in the clear\n"), 5000)

func header(at time.Time) Header {
	return Header{Cluster: "cluster1", Created: at.UTC(), Orc: "1.0", Revision: 42, Size: int64(len(database))}
}

func made(t *testing.T) (path string, ring *seal.Ring, wrap seal.Wrap) {
	t.Helper()
	ring = seal.NewRing()
	wrap, _ = seal.NewUnlockKey()
	path = filepath.Join(t.TempDir(), "one"+suffix)
	require.NoError(t, Write(path, header(time.Unix(1e9, 0)), bytes.NewReader(database), ring, wrap))
	return path, ring, wrap
}

func TestASnapshotBringsItsDatabaseAndKeys(t *testing.T) {
	path, ring, wrap := made(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, Check(path))
	read, err := ReadHeader(path)
	require.NoError(t, err)
	require.Equal(t, int64(42), read.Revision)
	require.Equal(t, wrap.ID(), read.Key)

	var out bytes.Buffer
	_, back, err := Extract(path, wrap, &out)
	require.NoError(t, err)
	require.True(t, bytes.Equal(database, out.Bytes()))
	value, err := back.Open("here", ring.Seal("here", []byte("value")))
	require.NoError(t, err)
	require.Equal(t, "value", string(value))

	other, _ := seal.NewUnlockKey()
	_, _, err = Extract(path, other, io.Discard)
	require.ErrorContains(t, err, "not the unlock key")
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
}

func TestTheFileTellsAThiefNothing(t *testing.T) {
	path, ring, _ := made(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.False(t, bytes.Contains(text, database[:20]))
	plain, err := ring.Marshal()
	require.NoError(t, err)
	require.False(t, bytes.Contains(text, plain[10:40]))
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	path, _, wrap := made(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := filepath.Join(t.TempDir(), "changed")
	for at := 0; at < len(text); at += 1 + len(text)/500 {
		other := bytes.Clone(text)
		other[at] ^= 1
		require.NoError(t, os.WriteFile(changed, other, 0o600))
		require.Error(t, Check(changed), at)
		if at < len(text)-32 { // the checksum itself is only for Check
			_, _, err := Extract(changed, wrap, io.Discard)
			require.Error(t, err, at)
		}
		require.NoError(t, os.WriteFile(changed, text[:at], 0o600))
		require.Error(t, Check(changed), "cut at %d", at)
		_, _, err := Extract(changed, wrap, io.Discard)
		require.Error(t, err, "cut at %d", at)
	}
}

// failing gives up after some bytes, as a database that is closed would.
type failing struct{ left int }

func (f *failing) Read(data []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.ErrClosedPipe
	}
	n := min(len(data), f.left)
	f.left -= n
	return n, nil
}

func TestAFailedSnapshotLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	wrap, _ := seal.NewUnlockKey()
	path := filepath.Join(dir, "one"+suffix)
	require.ErrorIs(t, Write(path, header(time.Now()), &failing{left: 100000}, seal.NewRing(), wrap), io.ErrClosedPipe)
	require.ErrorContains(t, Write(path, header(time.Now()), bytes.NewReader(database[1:]), seal.NewRing(), wrap), "were to be written")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestAFolderKeepsTheNewest(t *testing.T) {
	folder := Folder(filepath.Join(t.TempDir(), "snapshots"))
	found, err := folder.List()
	require.NoError(t, err)
	require.Empty(t, found)
	wrap, _ := seal.NewUnlockKey()
	for i := range 4 {
		at := time.Date(2026, 1, 2, 3, 4, 5, i*1e6, time.UTC)
		path, err := folder.Prepare(at)
		require.NoError(t, err)
		require.NoError(t, Write(path, header(at), bytes.NewReader(database), seal.NewRing(), wrap))
	}
	unfinished, err := folder.Temporary()
	require.NoError(t, err)
	require.NoError(t, unfinished.Close())
	strange := filepath.Join(string(folder), "strange"+suffix)
	require.NoError(t, os.WriteFile(strange, []byte("hello"), 0o600))

	require.ErrorContains(t, folder.Keep(2), "strange")
	found, err = folder.List()
	require.ErrorContains(t, err, "not a snapshot")
	require.Len(t, found, 2)
	require.Equal(t, "20260102T030405.002Z", found[0].Name())
	require.Equal(t, "20260102T030405.003Z", found[1].Name())
	require.FileExists(t, strange)
	_, err = folder.Prepare(time.Now())
	require.NoError(t, err)
	require.NoFileExists(t, unfinished.Name())
}

func FuzzReading(f *testing.F) {
	dir := f.TempDir()
	wrap, _ := seal.NewUnlockKey()
	path := filepath.Join(dir, "seed")
	small := Header{Cluster: "c", Size: 3}
	if err := Write(path, small, bytes.NewReader([]byte("abc")), seal.NewRing(), wrap); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(magic + "\x00\x00\x00\x02{}"))
	f.Add([]byte(magic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, data, 0o600))
		_, _, err := Extract(file, wrap, io.Discard)
		if err == nil {
			require.True(t, bytes.Equal(text[:len(text)-32], data[:len(data)-32]), "another file is taken for whole")
		}
		if Check(file) == nil {
			_, err := ReadHeader(file)
			_ = err // a checksum proves no header: reading must just not panic
		}
	})
}
