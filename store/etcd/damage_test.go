package etcd_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// TestAChangedByteOfAValueIsNoticed changes the database's file where a disk would
// not be caught by the file's own structure: within a value.
func TestAChangedByteOfAValueIsNoticed(t *testing.T) {
	config := membertest.Config(t)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	b := backend{member: m, ring: seal.NewRing()}
	s, err := etcd.Open(patient(t), b.config(t))
	require.NoError(t, err)
	for i := range 50 {
		commit(t, s, &api.Secret{Meta: api.Meta{ID: fmt.Sprint("s", i)}, Name: fmt.Sprint("name", i), Spec: api.FileSpec{Data: make([]byte, 2000)}})
	}
	stored, err := m.Client().Get(patient(t), etcd.DefaultPrefix+"object/secret/s25")
	require.NoError(t, err)
	value := stored.Kvs[0].Value
	require.NoError(t, s.Close())
	require.NoError(t, m.Stop())

	content, err := os.ReadFile(member.File(config.Dir))
	require.NoError(t, err)
	at := bytes.Index(content, value)
	require.Positive(t, at)
	content[at+len(value)/2] ^= 1
	require.NoError(t, os.WriteFile(member.File(config.Dir), content, 0o600))

	b.member = membertest.Start(t, config)
	_, err = etcd.Open(patient(t), b.config(t))
	require.ErrorContains(t, err, "damaged")
	require.ErrorContains(t, err, "s25", "it is said which")
	require.NotContains(t, err.Error(), "\n")
}

// What a node has said must not stop the cluster, whatever it was. A service that cannot
// be read must: to go on would be to end its containers.
func TestWhatANodeReportedAndNobodyCanReadStopsNobody(t *testing.T) {
	b := backend{member: membertest.Start(t, membertest.Config(t)), ring: seal.NewRing()}
	s, err := etcd.Open(patient(t), b.config(t))
	require.NoError(t, err)
	defer s.Close()
	put := func(object api.Object) {
		value, err := store.Encode(object)
		require.NoError(t, err)
		key := fmt.Sprintf("%sobject/%s/%s", etcd.DefaultPrefix, object.Kind(), object.Header().ID)
		_, err = b.member.Client().Put(patient(t), key, string(b.ring.Seal(key, value)))
		require.NoError(t, err)
	}
	put(&api.TaskStatus{Meta: api.Meta{ID: "t1"}, State: api.TaskRunning, Message: "half a \xe3\x81"})
	put(&api.NodeStatus{Meta: api.Meta{ID: "n1"}, Message: "half a \xe3\x81"})
	revision := commit(t, s, &api.Service{Meta: api.Meta{ID: "s1"}, Name: "web"})
	snapshot, err := s.WaitFor(patient(t), revision)
	require.NoError(t, err)
	require.NotNil(t, store.Get[api.Service](snapshot, "s1"))

	again, err := etcd.Open(patient(t), b.config(t))
	require.NoError(t, err)
	defer again.Close()
	for _, seen := range []*store.Snapshot{snapshot, again.Snapshot()} {
		status := *store.Get[api.TaskStatus](seen, "t1")
		require.Empty(t, status.State, "it counts as nothing")
		require.NotNil(t, store.Get[api.NodeStatus](seen, "n1"))
	}
	status := *store.Get[api.TaskStatus](again.Snapshot(), "t1")
	status.State = api.TaskRunning
	tx := &store.Tx{}
	tx.Update(&status)
	_, err = again.Commit(patient(t), tx)
	require.NoError(t, err, "the next report takes its place")

	put(&api.Service{Meta: api.Meta{ID: "s2"}, Name: "half a \xe3\x81"})
	_, err = etcd.Open(patient(t), b.config(t))
	require.ErrorContains(t, err, "s2")
}
