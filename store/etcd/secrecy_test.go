package etcd_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// TestNothingCanBeReadInTheDataDirectory plants words in names, environments,
// secrets and the election, and looks for them in every file.
func TestNothingCanBeReadInTheDataDirectory(t *testing.T) {
	config := membertest.Config(t)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	b := backend{member: m, ring: seal.NewRing()}
	s := open(t, b.config(t))
	leadership, err := s.Campaign(patient(t), "planted-candidate")
	require.NoError(t, err)
	revision := &api.Revision{Meta: api.Meta{ID: "s1.1"}, Service: "s1", Number: 1}
	revision.Spec.Container.Env = []string{"PASSWORD=planted-password"}
	commit(t, leadership,
		&api.Service{Meta: api.Meta{ID: "planted-as-an-id"}, Name: "planted-name"}, revision,
		&api.Secret{Meta: api.Meta{ID: "x1"}, Name: "planted-secret", Spec: api.FileSpec{Data: []byte("planted-content")}},
	)
	commit(t, s, &api.Service{Meta: api.Meta{ID: "planted-as-an-id"}, Name: "planted-rename"})
	require.Equal(t, 1, store.Count[api.Secret](s.Snapshot()))
	require.NoError(t, s.Close())
	require.NoError(t, m.Stop())

	found, files := 0, 0
	require.NoError(t, filepath.WalkDir(config.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		found += bytes.Count(content, []byte("planted-as-an-id"))
		for _, word := range []string{"planted-candidate", "planted-password", "PASSWORD", "planted-name", "planted-secret", "planted-content", "planted-rename"} {
			require.False(t, bytes.Contains(content, []byte(word)), "%s has %q in it", path, word)
		}
		return err
	}))
	require.Greater(t, files, 2)
	require.Positive(t, found, "IDs are in the clear: the test looks at the right files")
}
