package etcd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

func backup(t *testing.T, m *member.Member) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	require.NoError(t, err)
	_, err = m.Backup(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return file.Name()
}

// settled is a view of all that was committed.
func settled(t *testing.T, s *etcd.Store) *store.Snapshot {
	t.Helper()
	revision, err := s.Linearized(patient(t))
	require.NoError(t, err)
	snapshot, err := s.WaitFor(patient(t), revision)
	require.NoError(t, err)
	return snapshot
}

func TestABackupIsRestoredAsItWas(t *testing.T) {
	b, s := start(t)
	for i := range 50 {
		commit(t, s, task(fmt.Sprintf("t%d", i), "first"), &api.Service{Meta: api.Meta{ID: fmt.Sprintf("s%d", i)}, Name: fmt.Sprintf("name%d", i)})
	}
	commit(t, s, task("t7", "changed"))
	var tx store.Tx
	tx.Delete(store.Get[api.Task](settled(t, s), "t8"))
	revision, err := s.Commit(patient(t), &tx)
	require.NoError(t, err)
	path := backup(t, b.member)
	commit(t, s, task("late", "not in the backup"))

	read, err := etcd.ReadFile(path, b.ring)
	require.NoError(t, err)
	require.Equal(t, revision, read.Revision())
	require.Equal(t, "changed", store.Get[api.Task](read, "t7").Reason)
	require.Nil(t, store.Get[api.Task](read, "t8"))
	require.Nil(t, store.Get[api.Task](read, "late"))
	require.Equal(t, 49, store.Count[api.Task](read))

	config := membertest.Config(t)
	require.NoError(t, member.Restore(config, path))
	restored := backend{member: membertest.Start(t, config), ring: b.ring, prefix: etcd.DefaultPrefix}
	again := open(t, restored.config(t))
	require.Empty(t, store.Diff(read, settled(t, again)), "nothing differs")
	after := commit(t, again, task("new", "after the restore"))
	require.Greater(t, after, settled(t, s).Revision(), "no revision comes twice")
	leadership, err := again.Campaign(patient(t), "m1")
	require.NoError(t, err)
	commit(t, leadership, &api.Service{Meta: api.Meta{ID: "s99"}, Name: "name99"})
	var clash store.Tx
	clash.Set(&api.Service{Meta: api.Meta{ID: "s100"}, Name: "name1"})
	_, err = again.Commit(patient(t), &clash)
	require.ErrorIs(t, err, store.ErrNameTaken, "names are guarded as before")

	path = backup(t, restored.member)
	_, err = etcd.ReadFile(path, b.ring)
	require.NoError(t, err, "what was restored can be saved")
	last := int64(0)
	for range 2 {
		config := membertest.Config(t)
		require.NoError(t, member.Restore(config, path))
		s := open(t, backend{member: membertest.Start(t, config), ring: b.ring, prefix: etcd.DefaultPrefix}.config(t))
		require.Greater(t, settled(t, s).Revision(), last, "nor when what was restored is restored again, soon")
		last = commit(t, s, task("new2", "after it"))
	}
}

func TestADamagedBackupIsNotTakenForOne(t *testing.T) {
	b, s := start(t)
	for i := range 200 {
		commit(t, s, task(fmt.Sprintf("t%d", i), "reason"))
	}
	path := backup(t, b.member)
	_, err := etcd.ReadFile(path, seal.NewRing())
	require.ErrorIs(t, err, seal.ErrUnknownKey, "another's keys")

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	value := bytes.Index(text, []byte("/orc/object/task/t150"))
	require.Positive(t, value)
	changed := bytes.Clone(text)
	changed[value+60] ^= 1
	for name, text := range map[string][]byte{
		"a value": changed, "cut": text[:len(text)/2], "nothing": nil, "another file": bytes.Repeat([]byte("hello"), 10000),
	} {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err := etcd.ReadFile(path, b.ring)
		require.Error(t, err, name)
	}
}
