package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// ask is a client of the manager's socket.
func ask(t *testing.T, dir string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Host: "unix://" + filepath.Join(dir, "orc.sock")})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func saveSnapshot(t *testing.T, c *client.Client) (file, key string) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "cluster.orcsnap"))
	require.NoError(t, err)
	_, err = c.SaveSnapshot(t.Context(), out)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	unlock, err := c.UnlockKey(t.Context())
	require.NoError(t, err)
	return out.Name(), unlock.Key
}

func TestAClusterIsRestoredOnAnotherHost(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	first := start(t, managerConfig(dir, address))
	first.waitReady(dir)
	c := ask(t, dir)
	_, err := c.CreateConfig(t.Context(), api.FileSpec{Name: "motd", Data: []byte("hello")})
	require.NoError(t, err)
	before, err := c.Cluster(t.Context())
	require.NoError(t, err)
	token, err := c.Token(t.Context(), api.RoleWorker)
	require.NoError(t, err)
	kept, err := c.KeepSnapshot(t.Context())
	require.NoError(t, err)
	require.FileExists(t, kept.Path)
	file, key := saveSnapshot(t, c)
	entries, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	require.NoError(t, err)
	require.Len(t, entries, 1, "the one that was sent is not kept, nor is a copy of the database")
	require.NoError(t, first.stop())

	config := managerConfig(t.TempDir(), freePort(t))
	config.Bootstrap, config.Name = false, "m2"
	wrong := config
	_, err = Restore(t.Context(), wrong, file, "ORC-UNLOCK-1-nonsense")
	require.ErrorContains(t, err, "not an unlock key")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut")
	require.NoError(t, os.WriteFile(cut, text[:len(text)-100], 0o600))
	_, err = Restore(t.Context(), config, cut, key)
	require.ErrorContains(t, err, "damaged")
	requireNobody(t, config.DataDir)

	restored, err := Restore(t.Context(), config, file, key)
	require.NoError(t, err)
	require.Equal(t, []string{"m1"}, restored.Managers)
	require.Equal(t, before.Name, restored.Name)
	_, err = Restore(t.Context(), config, file, key)
	require.ErrorContains(t, err, "holds a node already")

	for range 2 { // as it is, and once more
		second := start(t, config)
		second.waitReady(config.DataDir)
		c = ask(t, config.DataDir)
		after, err := c.Cluster(t.Context())
		require.NoError(t, err)
		require.Equal(t, before.Identity, after.Identity)
		require.Equal(t, before.Roots, after.Roots)
		require.Equal(t, before.Settings, after.Settings)
		nodes, err := c.Nodes(t.Context())
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.Equal(t, "m2", nodes[0].Name)
		require.Equal(t, config.Listen, nodes[0].API)
		require.Equal(t, uint16(2), nodes[0].Number, "no number comes twice")
		again, err := c.Token(t.Context(), api.RoleWorker)
		require.NoError(t, err)
		require.Equal(t, token.Token, again.Token)
		_, err = c.Config(t.Context(), "motd")
		require.NoError(t, err)
		_, _ = saveSnapshot(t, c)
		require.NoError(t, second.stop())
	}
}

func TestTheNameOfAManagerThatIsLostIsFree(t *testing.T) {
	dir := t.TempDir()
	first := start(t, managerConfig(dir, freePort(t)))
	first.waitReady(dir)
	file, key := saveSnapshot(t, ask(t, dir))
	require.NoError(t, first.stop())
	config := managerConfig(t.TempDir(), freePort(t))
	config.Bootstrap = false
	_, err := Restore(t.Context(), config, file, key)
	require.NoError(t, err)
	second := start(t, config)
	second.waitReady(config.DataDir)
	nodes, err := ask(t, config.DataDir).Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, "m1", nodes[0].Name)
	require.NoError(t, second.stop())
}

// rotating is a file; as soon as something is written to it, the keys are others.
type rotating struct {
	io.Writer
	ring *seal.Ring
	once sync.Once
}

func (r *rotating) Write(data []byte) (int, error) {
	r.once.Do(func() {
		old := r.ring.Active()
		if err := errors.Join(r.ring.Use(r.ring.Add()), r.ring.Drop(old)); err != nil {
			panic(err)
		}
	})
	return r.Writer.Write(data)
}

func TestASnapshotHasTheKeysOfWhatIsInIt(t *testing.T) {
	s := &snapshots{database: &database{member: membertest.Start(t, membertest.Config(t)), ring: seal.NewRing()}}
	sealed := s.database.ring.Seal("/a", []byte("kept"))
	size, ring, err := s.copy(&rotating{Writer: io.Discard, ring: s.database.ring})
	require.NoError(t, err)
	require.Positive(t, size)
	_, err = s.database.ring.Open("/a", sealed)
	require.ErrorIs(t, err, seal.ErrUnknownKey)
	value, err := ring.Open("/a", sealed)
	require.NoError(t, err)
	require.Equal(t, "kept", string(value))
	// What may be sealed by then opens as well, and the next step of the rotation can be taken.
	_, err = ring.Open("/b", s.database.ring.Seal("/b", nil))
	require.NoError(t, err)
	require.Equal(t, s.database.ring.Active(), ring.Active())
}

func TestWhenASnapshotIsDue(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hourly := api.Settings{SnapshotInterval: api.Duration(time.Hour)}
	for name, c := range map[string]struct {
		settings       api.Settings
		newest, failed time.Time
		due            bool
	}{
		"none yet":             {hourly, time.Time{}, time.Time{}, true},
		"not wanted":           {api.Settings{}, time.Time{}, time.Time{}, false},
		"recent":               {hourly, at.Add(-59 * time.Minute), time.Time{}, false},
		"old":                  {hourly, at.Add(-time.Hour), time.Time{}, true},
		"from the future":      {hourly, at.Add(time.Hour), time.Time{}, true},
		"failed a moment ago":  {hourly, at.Add(-2 * time.Hour), at.Add(-time.Minute), false},
		"failed some time ago": {hourly, at.Add(-2 * time.Hour), at.Add(-snapshotRetry), true},
	} {
		require.Equal(t, c.due, due(c.settings, c.newest, c.failed, at), name)
	}
}
