package member_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// killed is the configuration of a member whose directory is another's, which runs,
// as it would be had that one been killed at this moment.
func killed(t *testing.T, config member.Config) member.Config {
	t.Helper()
	from := config.Dir
	config.Dir, config.Listen = t.TempDir(), membertest.FreeAddress(t)
	config.Advertise = config.Listen
	for whole := false; !whole; {
		before, err := os.ReadFile(member.File(from))
		require.NoError(t, err)
		require.NoError(t, os.CopyFS(filepath.Join(config.Dir, "copy"), os.DirFS(from)))
		after, err := os.ReadFile(member.File(from))
		require.NoError(t, err)
		if whole = bytes.Equal(before, after); !whole {
			require.NoError(t, os.RemoveAll(filepath.Join(config.Dir, "copy")))
		}
	}
	config.Dir = filepath.Join(config.Dir, "copy")
	if err := os.Remove(filepath.Join(config.Dir, "lock")); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return config
}

func TestAForcedMemberHasWhatWasAcknowledgedLast(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	second, joined := membertest.Join(t, first, config, "node2")
	require.Eventually(t, func() bool { return first.Promote(patient(t), second.Self()) == nil }, time.Minute, 50*time.Millisecond)
	for i := range 2 {
		made, err := first.Client().Put(patient(t), fmt.Sprint("/made", i), "1")
		require.NoError(t, err)
		// What is written after it compares its revision.
		changed, err := first.Client().Txn(patient(t)).
			If(clientv3.Compare(clientv3.ModRevision(fmt.Sprint("/made", i)), "=", made.Header.Revision)).
			Then(clientv3.OpPut(fmt.Sprint("/last", i), "2")).Commit()
		require.NoError(t, err)
		require.True(t, changed.Succeeded)

		survivor := killed(t, joined)
		survivor.ForceNew = true
		alone := membertest.Start(t, survivor)
		got, err := alone.Client().Get(patient(t), fmt.Sprint("/last", i))
		require.NoError(t, err)
		require.Len(t, got.Kvs, 1, "both members had it on disk")
		require.Equal(t, changed.Header.Revision, got.Kvs[0].ModRevision, "what there was is what it was")
		require.Len(t, alone.Known(), 1)
		require.NoError(t, alone.Stop())
	}
}
