package member_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

func TestNoTwoRestoresOfASnapshotMeet(t *testing.T) {
	config := membertest.Config(t)
	m := membertest.Start(t, config)
	_, err := m.Client().Put(patient(t), "/a", "kept")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "snapshot")
	out, err := os.Create(file)
	require.NoError(t, err)
	_, err = m.Backup(out)
	require.NoError(t, err)
	require.NoError(t, out.Close())

	last := int64(0)
	for range 3 {
		restored := membertest.Config(t)
		require.NoError(t, member.Restore(restored, file))
		again := membertest.Start(t, restored)
		got, err := again.Client().Get(patient(t), "/a")
		require.NoError(t, err)
		require.Equal(t, "kept", string(got.Kvs[0].Value))
		for range 10 {
			put, err := again.Client().Put(patient(t), "/b", "new")
			require.NoError(t, err)
			require.Greater(t, put.Header.Revision, last)
			last = put.Header.Revision
		}
		require.NoError(t, again.Stop())
	}
}
