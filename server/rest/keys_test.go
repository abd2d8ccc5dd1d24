package rest

import (
	"crypto/sha256"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// locksmith makes keys that are only words.
type locksmith struct{}

func (locksmith) NewUnlockKey() string             { return "another unlock key" }
func (locksmith) KeyID(key string) (string, error) { return "id of " + key, nil }
func (locksmith) Lock() error                      { return api.Conflictf("the cluster does not lock itself") }
func (locksmith) Ring() ([]byte, error)            { return []byte("the ring"), nil }
func (locksmith) Derive(purpose string) [16]byte   { return [16]byte(sha256Of(purpose)) }

func sha256Of(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:16]
}

func TestTheUnlockKeyIsShownAndRotated(t *testing.T) {
	m := newManager(t)
	key, err := m.client.UnlockKey(m.ctx)
	require.NoError(t, err)
	require.Equal(t, api.UnlockKey{Key: "the unlock key", ID: "id of the unlock key"}, key)
	key, err = m.client.RotateUnlockKey(m.ctx)
	require.NoError(t, err)
	require.Equal(t, api.UnlockKey{Key: "another unlock key", ID: "id of another unlock key"}, key)
	cluster, err := clusterOf(m.store.Snapshot())
	require.NoError(t, err)
	require.Equal(t, "another unlock key", cluster.UnlockKey)
	require.ErrorContains(t, m.client.Unlock(m.ctx, "x"), "is not locked")
	require.ErrorContains(t, m.client.Lock(m.ctx), "does not lock itself")
}

func TestARotationOfKeysSaysWhomItWaitsFor(t *testing.T) {
	m := newManager(t)
	view, err := m.client.RotateKeys(m.ctx)
	require.NoError(t, err)
	require.Equal(t, api.KeyRotation{Step: 1, Phase: api.KeysSpread}, view.Keys)
	require.Equal(t, []string{"n1"}, view.Waiting, "workers have no keys")
	_, err = m.client.RotateKeys(m.ctx)
	require.ErrorContains(t, err, "rotated already")
}

func TestTheRingIsForManagers(t *testing.T) {
	m := newManager(t)
	for role, status := range map[string]int{ca.RoleManager: 200, ca.RoleLocal: 403, ca.RoleClient: 403, ca.RoleWorker: 403} {
		answer := httptest.NewRecorder()
		m.api.ServeHTTP(answer, httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{ID: "n1id", Role: role}), "GET", "/v1/ring", nil))
		require.Equal(t, status, answer.Code, role)
	}
}
