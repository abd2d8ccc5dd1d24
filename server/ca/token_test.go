package ca

import (
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// deriver derives from a word.
type deriver string

func (d deriver) Derive(purpose string) [16]byte {
	sum := sha256.Sum256([]byte(string(d) + purpose))
	return [16]byte(sum[:16])
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newCluster(t *testing.T) *api.Cluster {
	t.Helper()
	cluster := foundCluster(t)
	RotateTokens(cluster, deriver("ring"), noon, api.RoleManager, api.RoleWorker)
	return cluster
}

// secretIn is the secret of a token that is shown.
func secretIn(t *testing.T, shown api.JoinToken) string {
	t.Helper()
	parsed, err := api.ParseToken(shown.Token)
	require.NoError(t, err)
	return parsed.Secret
}

func refusedToken(t *testing.T, cluster *api.Cluster, secret string, at time.Time, why string) {
	t.Helper()
	before := *cluster
	_, err := UseToken(cluster, secret, at)
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(err), why)
	require.Equal(t, before, *cluster, why)
}

func TestStandingTokensAreShownAgainAndNotKept(t *testing.T) {
	cluster := newCluster(t)
	roots, err := parseCertificates(cluster.Roots)
	require.NoError(t, err)
	stored, err := json.Marshal(cluster)
	require.NoError(t, err)
	for _, role := range []api.Role{api.RoleManager, api.RoleWorker} {
		token, err := StandingToken(cluster, deriver("ring"), role)
		require.NoError(t, err)
		again, err := StandingToken(cluster, deriver("ring"), role)
		require.NoError(t, err)
		require.Equal(t, token, again)
		parsed, err := api.ParseToken(token.Token)
		require.NoError(t, err)
		require.Equal(t, digest(roots[0]), parsed.Digest)
		require.NotContains(t, string(stored), parsed.Secret)
		for range 2 {
			found, err := UseToken(cluster, parsed.Secret, noon)
			require.NoError(t, err)
			require.Equal(t, role, found)
		}
	}
	_, err = StandingToken(cluster, deriver("another ring"), api.RoleWorker)
	require.ErrorContains(t, err, "key ring")
	_, err = StandingToken(cluster, deriver("ring"), "king")
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	for _, secret := range []string{"", "x", api.NewID()} {
		refusedToken(t, cluster, secret, noon, secret)
	}
	refusedToken(t, &api.Cluster{}, "", noon, "no tokens at all")
}

func TestARotatedTokenIsVoidAndTheOthersGoOn(t *testing.T) {
	cluster := newCluster(t)
	original := *cluster
	old, err := StandingToken(cluster, deriver("ring"), api.RoleWorker)
	require.NoError(t, err)
	other, err := StandingToken(cluster, deriver("ring"), api.RoleManager)
	require.NoError(t, err)
	RotateTokens(cluster, deriver("ring"), noon, api.RoleWorker)
	refusedToken(t, cluster, secretIn(t, old), noon, "rotated")
	_, err = UseToken(cluster, secretIn(t, other), noon)
	require.NoError(t, err)
	_, err = UseToken(&original, secretIn(t, old), noon)
	require.NoError(t, err, "the original keeps its own")
	require.Len(t, Tokens(cluster, noon), 2)

	require.NoError(t, RemoveToken(cluster, other.ID[:12]))
	refusedToken(t, cluster, secretIn(t, other), noon, "removed")
	_, err = StandingToken(cluster, deriver("ring"), api.RoleManager)
	require.ErrorContains(t, err, "--rotate")
	require.Equal(t, api.CodeNotFound, api.CodeOf(RemoveToken(cluster, other.ID)))
}

func TestTokensEndByTimeAndByUse(t *testing.T) {
	cluster := newCluster(t)
	token, err := AddToken(cluster, api.TokenRequest{Role: api.RoleWorker, Expires: api.Duration(time.Hour), Uses: 2}, noon)
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), token.Expires)
	secret := secretIn(t, token)
	stored, err := json.Marshal(cluster)
	require.NoError(t, err)
	require.NotContains(t, string(stored), secret)

	expired := *cluster
	refusedToken(t, &expired, secret, noon.Add(time.Hour), "expired")
	require.Len(t, Tokens(&expired, noon.Add(time.Hour)), 2)

	for left := 1; left >= 0; left-- {
		before := *cluster
		views := Tokens(&before, noon)
		require.Equal(t, left+1, views[2].Uses)
		role, err := UseToken(cluster, secret, noon.Add(59*time.Minute))
		require.NoError(t, err)
		require.Equal(t, api.RoleWorker, role)
		require.Equal(t, views, Tokens(&before, noon), "the original keeps its own")
	}
	refusedToken(t, cluster, secret, noon, "used up")
	require.Len(t, Tokens(cluster, noon), 2, "the standing ones")
}

func TestTokensThatWouldNotEndAreNotMade(t *testing.T) {
	cluster := newCluster(t)
	for _, request := range []api.TokenRequest{
		{Role: api.RoleWorker}, {Role: "king", Uses: 1}, {Role: api.RoleWorker, Uses: -1}, {Role: api.RoleWorker, Expires: -1},
	} {
		_, err := AddToken(cluster, request, noon)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), "%+v", request)
	}
	hour := api.TokenRequest{Role: api.RoleWorker, Expires: api.Duration(time.Hour)}
	for len(cluster.Tokens) < api.MaxTokens {
		_, err := AddToken(cluster, hour, noon)
		require.NoError(t, err)
	}
	_, err := AddToken(cluster, hour, noon)
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	_, err = AddToken(cluster, hour, noon.Add(2*time.Hour))
	require.NoError(t, err, "what has ended is forgotten")
	require.Len(t, cluster.Tokens, 3)
}

func TestATokenIsNamedByEnoughOfItsID(t *testing.T) {
	cluster := &api.Cluster{Tokens: []api.StoredToken{{ID: "abcd1"}, {ID: "abcd2"}, {ID: "efgh1"}}}
	for _, ref := range []string{"", "e", "efg"} {
		require.Equal(t, api.CodeInvalid, api.CodeOf(RemoveToken(cluster, ref)), ref)
	}
	require.Equal(t, api.CodeNotFound, api.CodeOf(RemoveToken(cluster, "web1")))
	err := RemoveToken(cluster, "abcd")
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "abcd1, abcd2")
	require.Len(t, cluster.Tokens, 3)
	require.NoError(t, RemoveToken(cluster, "abcd2"))
	require.NoError(t, RemoveToken(cluster, "efgh"))
	require.Equal(t, []api.StoredToken{{ID: "abcd1"}}, cluster.Tokens)
}

func TestTokensOfAnOlderClusterAreSaidToBeVoid(t *testing.T) {
	cluster := &api.Cluster{}
	require.NoError(t, json.Unmarshal([]byte(`{"tokens":{"worker":"c2VjcmV0"},"secrets":{"worker":"secret"}}`), cluster))
	_, err := StandingToken(cluster, deriver("ring"), api.RoleWorker)
	require.ErrorContains(t, err, "orc token worker --rotate")
	_, err = UseToken(cluster, "secret", noon)
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(err))
	require.ErrorContains(t, err, "orc token worker --rotate")
}
