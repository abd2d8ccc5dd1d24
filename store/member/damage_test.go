package member_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// TestDamagedFilesAreSaidSo changes what a member left on its disk, as a failing
// disk would, and starts it again.
func TestDamagedFilesAreSaidSo(t *testing.T) {
	config := membertest.Config(t)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	for i := range 200 {
		value := make([]byte, 5000) // random, as sealed ones are
		rand.Read(value)
		_, err = m.Client().Put(patient(t), fmt.Sprintf("/key/%d", i), "value-of-"+fmt.Sprint(i)+string(value))
		require.NoError(t, err)
	}
	require.NoError(t, m.Stop())
	whole := config.Dir

	flip := func(text []byte) []byte {
		at := bytes.Index(text, []byte("value-of-100"))
		require.Positive(t, at)
		text[at] ^= 1
		return text
	}
	const log, database = "*.wal", "db"
	for name, damage := range map[string]struct {
		file   string
		change func([]byte) []byte
	}{
		"a byte of the log":       {log, flip},
		"the log is gone":         {log, nil},
		"the log's beginning":     {log, func(text []byte) []byte { return append(make([]byte, 4096), text[4096:]...) }},
		"the database is cut":     {database, func(text []byte) []byte { return text[:len(text)/16] }},
		"the database is emptied": {database, func(text []byte) []byte { return make([]byte, len(text)) }},
		"the database is garbage": {database, func(text []byte) []byte { return bytes.Repeat([]byte("garbage!"), len(text)/8) }},
	} {
		t.Run(name, func(t *testing.T) {
			config.Dir = filepath.Join(t.TempDir(), "member")
			require.NoError(t, os.CopyFS(config.Dir, os.DirFS(whole)))
			found, err := filepath.Glob(filepath.Join(config.Dir, "etcd/member/*", damage.file))
			require.NoError(t, err)
			require.NotEmpty(t, found)
			for _, file := range found {
				if damage.change == nil {
					require.NoError(t, os.Remove(file))
					continue
				}
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, damage.change(text), 0o600))
			}
			config.Listen = membertest.FreeAddress(t) // one that panicked may still hold it
			config.Advertise = config.Listen
			again, err := member.Start(patient(t), config)
			if err == nil {
				require.NoError(t, again.Stop())
			}
			require.ErrorContains(t, err, "is damaged")
			require.NotContains(t, err.Error(), "\n")
		})
	}
	config.Dir = whole
	again := membertest.Start(t, config)
	got, err := again.Client().Get(patient(t), "/key/199")
	require.NoError(t, err)
	require.Len(t, got.Kvs, 1, "without damage it starts")
}
