package etcd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// smallDisk is a directory on a disk of its own.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("a disk that can be filled needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// leave lets other files take the disk but for some megabytes.
func leave(t *testing.T, dir string, megabytes uint64) {
	t.Helper()
	other := filepath.Join(dir, "other")
	require.NoError(t, os.RemoveAll(other))
	var stat unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &stat))
	free := stat.Bavail * uint64(stat.Bsize)
	require.Greater(t, free, (megabytes+1)<<20)
	file, err := os.Create(other)
	require.NoError(t, err)
	defer file.Close()
	half := uint64(1) << 19 // the database's own writes leave the number as it is
	require.NoError(t, unix.Fallocate(int(file.Fd()), 0, 0, int64(free-megabytes<<20-half)))
}

func TestAFullDiskLosesNothingAndIsSaidSo(t *testing.T) {
	disk := smallDisk(t, 400)
	core, logs := observer.New(zap.InfoLevel)
	config := membertest.Config(t)
	config.Dir, config.Logger = filepath.Join(disk, "member"), zap.New(core)
	ring := seal.NewRing()
	m := membertest.Start(t, config)
	s := open(t, backend{member: m, ring: ring}.config(t))

	acknowledged, refused := make(map[string]bool), make(map[string]bool)
	write := func() error {
		id := fmt.Sprintf("t%d", len(acknowledged)+len(refused))
		tx := &store.Tx{}
		tx.Set(task(id, "x"))
		_, err := s.Commit(patient(t), tx)
		if err == nil {
			acknowledged[id] = true
		} else {
			refused[id] = true
		}
		return err
	}
	require.NoError(t, write())
	for _, left := range []uint64{99, 20} {
		leave(t, disk, left)
		for range 20 {
			err := write()
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.ErrorContains(t, err, fmt.Sprintf("is full: %d MB are left", left))
		}
	}
	require.Len(t, logs.FilterMessage("this manager takes no writes until there is room").All(), 1, "it is said once")
	_, err := s.Linearized(patient(t))
	require.NoError(t, err, "it knows what is newest")
	leave(t, disk, 120)
	require.ErrorContains(t, write(), "120 MB are left, 150 MB are needed", "it would be full again soon")
	leave(t, disk, 151)
	for range 20 {
		require.NoError(t, write(), "it goes on by itself")
	}
	require.Len(t, logs.FilterMessage("this manager takes writes again").All(), 1)
	select {
	case <-m.Done():
		require.Fail(t, "the database has ended")
	default:
	}

	require.NoError(t, s.Close())
	require.NoError(t, m.Stop())
	m = membertest.Start(t, config)
	snapshot := open(t, backend{member: m, ring: ring}.config(t)).Snapshot()
	require.Equal(t, len(acknowledged), store.Count[api.Task](snapshot))
	for id := range acknowledged {
		require.NotNil(t, store.Get[api.Task](snapshot, id), id)
	}
}
