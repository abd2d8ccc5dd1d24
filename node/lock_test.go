package node

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/seal"
)

// giveKey gives the manager a key.
func giveKey(t *testing.T, dir, key string) error {
	t.Helper()
	c := ask(t, dir)
	defer c.Close() // or stopping takes longer
	return c.Unlock(t.Context(), key)
}

// requireLocked checks that a manager does nothing but wait for the key.
func requireLocked(t *testing.T, dir, address string) {
	t.Helper()
	c := ask(t, dir)
	defer c.Close()
	eventually(t, func() bool {
		_, err := c.Nodes(t.Context())
		return api.CodeOf(err) == api.CodeUnavailable && err.Error() == "this manager is locked: run `orc unlock` on its host"
	})
	_, err := net.Dial("tcp", address)
	require.Error(t, err, "nothing listens for others")
	_, err = c.Token(t.Context(), api.RoleManager)
	require.ErrorContains(t, err, "is locked")
}

const tick = 20 * time.Millisecond

func newUnlockKey() string {
	_, text := seal.NewUnlockKey()
	return text
}

// wrappedBy says whether the keys on the disk open with this unlock key.
func wrappedBy(t *testing.T, dir, key string) bool {
	t.Helper()
	wrap, err := seal.UnlockKey(key)
	require.NoError(t, err)
	wraps, err := seal.Wraps(filepath.Join(dir, "ring"), wrap)
	require.NoError(t, err)
	return wraps
}

func ringOf(t *testing.T, dir, key string) *seal.Ring {
	t.Helper()
	wrap, err := seal.UnlockKey(key)
	require.NoError(t, err)
	ring, err := seal.Load(filepath.Join(dir, "ring"), wrap)
	require.NoError(t, err)
	return ring
}

func eventually(t *testing.T, ask func() bool) {
	t.Helper()
	require.Eventually(t, ask, patience, tick)
}

func TestAClusterThatLocksItself(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	config := managerConfig(dir, address)
	config.Autolock = true
	first := start(t, config)
	first.waitReady(dir)
	c := ask(t, dir)
	key, err := c.UnlockKey(t.Context())
	require.NoError(t, err)
	require.Contains(t, first.out.String(), key.Key)
	file, _ := saveSnapshot(t, c)
	requireNoKeyOnDisk(t, dir)
	require.NoError(t, first.stop())
	requireNoKeyOnDisk(t, dir)

	second := start(t, config)
	requireLocked(t, dir, address)
	require.ErrorContains(t, giveKey(t, dir, "nonsense"), "not an unlock key")
	require.ErrorContains(t, giveKey(t, dir, newUnlockKey()), "not the unlock key of the manager")
	requireLocked(t, dir, address)
	require.NoError(t, giveKey(t, dir, key.Key))
	second.waitReady(dir)
	require.ErrorContains(t, giveKey(t, dir, key.Key), "is not locked")

	c = ask(t, dir)
	require.NoError(t, c.Lock(t.Context()))
	requireLocked(t, dir, address)
	require.NoError(t, giveKey(t, dir, key.Key))
	second.waitReady(dir)

	c = ask(t, dir)
	next, err := c.RotateUnlockKey(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, key, next)
	eventually(t, func() bool { return !wrappedBy(t, dir, key.Key) })
	require.NoError(t, second.stop())
	third := start(t, config)
	requireLocked(t, dir, address)
	require.ErrorContains(t, ask(t, dir).Unlock(t.Context(), key.Key), next.ID, "it names the key that it wants")
	require.NoError(t, giveKey(t, dir, next.Key))
	third.waitReady(dir)

	c = ask(t, dir)
	_, err = c.UpdateCluster(t.Context(), api.Settings{})
	require.NoError(t, err)
	eventually(t, func() bool { return !wrappedBy(t, dir, next.Key) })
	require.NoError(t, third.stop())
	fourth := start(t, config)
	fourth.waitReady(dir)
	require.ErrorContains(t, ask(t, dir).Lock(t.Context()), "does not lock itself")
	require.NoError(t, fourth.stop())

	// A cluster that locks itself does so after a restore.
	again := managerConfig(t.TempDir(), freePort(t))
	again.Bootstrap = false
	_, err = Restore(t.Context(), again, file, key.Key)
	require.NoError(t, err)
	requireNoKeyOnDisk(t, again.DataDir)
	restored := start(t, again)
	requireLocked(t, again.DataDir, again.Listen)
	require.NoError(t, giveKey(t, again.DataDir, key.Key))
	restored.waitReady(again.DataDir)
	require.NoError(t, restored.stop())
}

func TestALockedManagerCanBeStopped(t *testing.T) {
	config := managerConfig(t.TempDir(), freePort(t))
	config.Autolock = true
	first := start(t, config)
	first.waitReady(config.DataDir)
	require.NoError(t, first.stop())
	second := start(t, config)
	requireLocked(t, config.DataDir, config.Listen)
	require.NoError(t, second.stop())
	require.NoFileExists(t, filepath.Join(config.DataDir, "orc.sock"))
}

// TestEnablingAutolockSurvivesACrashAtEveryStep leaves the disk as a crash between
// two steps would, both ways.
func TestEnablingAutolockSurvivesACrashAtEveryStep(t *testing.T) {
	config := managerConfig(t.TempDir(), freePort(t))
	first := start(t, config)
	first.waitReady(config.DataDir)
	before := snapshotFiles(t, config.DataDir)
	c := ask(t, config.DataDir)
	_, err := c.UpdateCluster(t.Context(), api.Settings{Autolock: true})
	require.NoError(t, err)
	key, err := c.UnlockKey(t.Context())
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(config.DataDir, "ring.key"))
		return os.IsNotExist(err)
	})
	require.NoError(t, first.stop())
	after := snapshotFiles(t, config.DataDir)
	requireNoKeyOnDisk(t, config.DataDir)

	for name, files := range map[string]map[string][]byte{
		"the key is sealed":                   {"node.pem": after["node.pem"], "ring": before["ring"], "ring.key": before["ring.key"]},
		"the ring is wrapped":                 {"node.pem": after["node.pem"], "ring": after["ring"], "ring.key": before["ring.key"]},
		"the ring is unwrapped, the key not":  {"node.pem": after["node.pem"], "ring": before["ring"], "ring.key": before["ring.key"]},
		"the node's key is there, all locked": {"node.pem": after["node.pem"], "ring": after["ring"], "ring.key": before["ring.key"]},
	} {
		t.Run(name, func(t *testing.T) {
			for file, content := range files {
				require.NoError(t, os.WriteFile(filepath.Join(config.DataDir, file), content, 0o600))
			}
			again := start(t, config)
			if bytes.Equal(files["ring"], after["ring"]) {
				requireLocked(t, config.DataDir, config.Listen)
				require.NoError(t, giveKey(t, config.DataDir, key.Key))
			}
			again.waitReady(config.DataDir)
			eventually(t, func() bool { return wrappedBy(t, config.DataDir, key.Key) })
			eventually(t, func() bool {
				_, err := os.Stat(filepath.Join(config.DataDir, "ring.key"))
				return os.IsNotExist(err)
			})
			require.NoError(t, again.stop())
			requireNoKeyOnDisk(t, config.DataDir)
		})
	}
}

func snapshotFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, name := range []string{"node.pem", "ring", "ring.key"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if !os.IsNotExist(err) {
			require.NoError(t, err)
			files[name] = text
		}
	}
	return files
}

// requireNoKeyOnDisk checks that nothing on the disk opens without the unlock key.
func requireNoKeyOnDisk(t *testing.T, dir string) {
	t.Helper()
	require.NoFileExists(t, filepath.Join(dir, "ring.key"))
	eachFile(t, dir, func(path string, content []byte) {
		require.NotContains(t, string(content), "BEGIN PRIVATE KEY", path)
		require.NotContains(t, string(content), "ORC-UNLOCK", path)
	})
}

func eachFile(t *testing.T, dir string, look func(path string, content []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a temporary one
		}
		look(path, content)
		return err
	}))
}

func TestKeysAreRotatedOnline(t *testing.T) {
	config := managerConfig(t.TempDir(), freePort(t))
	config.Autolock = true
	first := start(t, config)
	first.waitReady(config.DataDir)
	c := ask(t, config.DataDir)
	unlock, err := c.UnlockKey(t.Context())
	require.NoError(t, err)
	_, err = c.CreateConfig(t.Context(), api.FileSpec{Name: "motd", Data: []byte("hello")})
	require.NoError(t, err)
	old := ringOf(t, config.DataDir, unlock.Key)
	for range 2 {
		view, err := c.RotateKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, api.KeysSpread, view.Keys.Phase)
		eventually(t, func() bool {
			view, err := c.Cluster(t.Context())
			require.NoError(t, err)
			return view.Keys.Phase == api.KeysSettled
		})
	}
	fresh := ringOf(t, config.DataDir, unlock.Key)
	require.Len(t, fresh.IDs(), 1)
	require.NotEqual(t, old.IDs(), fresh.IDs())
	_, err = c.CreateConfig(t.Context(), api.FileSpec{Name: "second", Data: []byte("hello")})
	require.NoError(t, err)
	_, _ = saveSnapshot(t, c)
	require.NoError(t, first.stop())

	second := start(t, config)
	requireLocked(t, config.DataDir, config.Listen)
	require.NoError(t, giveKey(t, config.DataDir, unlock.Key))
	second.waitReady(config.DataDir)
	found, err := ask(t, config.DataDir).Configs(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.NoError(t, second.stop())
}

// TestNothingPlantedIsFoundOnAManagersDisk plants words in everything that a user
// can give, and looks for them in every file of a manager, a snapshot's too, and
// in all that it logs.
func TestNothingPlantedIsFoundOnAManagersDisk(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	config := managerConfig(t.TempDir(), freePort(t))
	first := startLogging(t, config, zap.New(core))
	first.waitReady(config.DataDir)
	c := ask(t, config.DataDir)
	_, err := c.CreateSecret(t.Context(), api.FileSpec{Name: "planted-secret", Data: []byte("planted-content")})
	require.NoError(t, err)
	_, err = c.CreateConfig(t.Context(), api.FileSpec{Name: "planted-config", Data: []byte("planted-config-content"), Labels: map[string]string{"planted-label": "x"}})
	require.NoError(t, err)
	_, err = c.CreateNetwork(t.Context(), api.NetworkSpec{Name: "planted-network"})
	require.NoError(t, err)
	_, err = c.CreateService(t.Context(), api.ServiceCreate{NoResolve: true, Spec: api.ServiceSpec{
		Name: "planted-service", Container: api.ContainerSpec{
			Image: "planted-image:1", Env: []string{"PLANTED_VARIABLE=planted-value"}, RegistryAuth: "cGxhbnRlZC1wYXNzd29yZA",
			Args: []string{"planted-command"}, Secrets: []api.FileReference{{Source: "planted-secret", Target: "planted-target"}},
		},
	}})
	require.NoError(t, err)
	_, err = c.CreateVolume(t.Context(), api.VolumeSpec{Name: "planted-volume", Labels: map[string]string{"planted-volume-label": "planted"}})
	require.NoError(t, err)
	_, err = c.UpdateNode(t.Context(), "self", api.NodeUpdate{LabelsAdd: map[string]string{"planted-node-label": "planted"}})
	require.NoError(t, err)
	bundle, err := c.CreateClient(t.Context(), "planted-user")
	require.NoError(t, err)
	for range 2 {
		_, err = c.KeepSnapshot(t.Context())
		require.NoError(t, err)
	}
	token, err := c.RotateToken(t.Context(), api.RoleManager)
	require.NoError(t, err)
	secrets := []string{token.Token[len(token.Token)-20:]}
	token, err = c.Token(t.Context(), api.RoleWorker)
	require.NoError(t, err)
	secrets = append(secrets, token.Token[len(token.Token)-20:])
	token, err = c.CreateToken(t.Context(), api.TokenRequest{Role: api.RoleWorker, Uses: 3})
	require.NoError(t, err)
	secrets = append(secrets, token.Token[len(token.Token)-20:])
	_, err = c.KeepSnapshot(t.Context()) // with the tokens in it
	require.NoError(t, err)
	unlock, err := c.UnlockKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.stop())

	forbidden := []string{"planted", "PLANTED", "cGxhbnRlZC1wYXNzd29yZA", unlock.Key, string(bundle.Key[60:120])}
	forbidden = append(forbidden, secrets...)
	require.Contains(t, first.out.String(), "orc token worker")
	for _, word := range forbidden {
		require.NotContains(t, first.out.String(), word, "what is printed to no terminal is kept somewhere")
	}
	files := 0
	eachFile(t, config.DataDir, func(path string, content []byte) {
		files++
		for _, word := range forbidden {
			require.False(t, bytes.Contains(content, []byte(word)), "%s has %q in it", path, word)
		}
		info, err := os.Stat(path)
		require.NoError(t, err)
		if filepath.Base(path) != "roots.crt" {
			require.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", path)
		}
	})
	require.Greater(t, files, 8)
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range logs.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		require.NoError(t, err)
		for _, word := range append(forbidden[2:], "planted-content", "planted-value", "BEGIN PRIVATE KEY") {
			require.NotContains(t, line.String(), word)
		}
	}
	require.NotEmpty(t, logs.All())
}
