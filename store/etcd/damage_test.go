package etcd_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
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
