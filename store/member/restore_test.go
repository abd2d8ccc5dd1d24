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

// TestARestoredMemberIsAStrangerToThoseOfBefore restores where the first one was: what
// knows it by its address must not take the two for one.
func TestARestoredMemberIsAStrangerToThoseOfBefore(t *testing.T) {
	config := membertest.Config(t)
	cluster := func(m *member.Member) uint64 {
		members, err := m.Client().MemberList(patient(t))
		require.NoError(t, err)
		return members.Header.ClusterId
	}
	m := membertest.Start(t, config)
	members, clusters := []uint64{m.Self()}, []uint64{cluster(m)}
	file := filepath.Join(t.TempDir(), "snapshot")
	out, err := os.Create(file)
	require.NoError(t, err)
	_, err = m.Backup(out)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.NoError(t, m.Stop())

	for range 2 {
		config.Dir = t.TempDir()
		require.NoError(t, member.Restore(config, file))
		var self, of uint64
		for range 2 { // the second time it begins with what it has
			again := membertest.Start(t, config)
			self, of = again.Self(), cluster(again)
			require.NotContains(t, members, self)
			require.NotContains(t, clusters, of)
			require.NoError(t, again.Stop())
		}
		members, clusters = append(members, self), append(clusters, of)
	}
}
