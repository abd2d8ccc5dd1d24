package node

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// issued is a manager's certificate of a term, by the clock of who issues it.
func issued(t *testing.T, authority *ca.Authority, term int, clock time.Time) *x509.Certificate {
	t.Helper()
	request, key, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := authority.Of(term).SignNode(request, "m2", api.RoleManager, 0, clock)
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, key, authority.Roots())
	require.NoError(t, err)
	return credentials.Leaf()
}

func TestWhoIsBannedDoesNotDependOnClocks(t *testing.T) {
	now := time.Now()
	authority, err := ca.New("cluster1", now)
	require.NoError(t, err)
	n := &process{identity: &identity{}, dir: &directory{path: t.TempDir()}, log: zap.NewNop()}
	cluster := &api.Cluster{}
	for _, skew := range []time.Duration{-48 * time.Hour, -time.Minute, 0, time.Minute, 48 * time.Hour} {
		// The clock of the manager that issues is off from that of the one that bans.
		certificates := make([]*x509.Certificate, 5)
		for term := range certificates {
			certificates[term] = issued(t, authority, term, now.Add(skew))
		}
		cluster.BanTerm("m2", 2, now) // demoted in its term 2: a manager again in term 4
		n.ban(cluster)
		for term, certificate := range certificates {
			require.Equal(t, term <= 2, n.banned(certificate), "term %d, %s", term, skew)
		}
		cluster.Ban("m2", now)
		n.ban(cluster)
		for _, certificate := range certificates {
			require.True(t, n.banned(certificate), "removed for good, %s", skew)
		}
		cluster.Unban("m2")
		n.ban(cluster)
		require.False(t, n.banned(certificates[4]))
	}
}

func TestOneThatWasLeftBehindIsBannedAndNotToldSo(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	n := &process{identity: &identity{}, dir: &directory{path: t.TempDir()}, log: zap.NewNop()}
	renewed := issued(t, authority, 8, time.Now().Add(time.Hour)) // where it is a manager still
	require.False(t, n.agreed(renewed), "the database has not told yet")
	cluster := &api.Cluster{}
	n.ban(cluster)
	require.True(t, n.agreed(renewed))
	require.False(t, n.banned(renewed))
	cluster.LeaveBehind(&api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2"}, time.Now())
	cluster.Ban("m3", time.Now().Add(2*365*24*time.Hour)) // the ban itself is forgotten
	n.ban(cluster)
	require.True(t, n.banned(renewed))
	require.False(t, n.agreed(renewed))
	n.follow(false)
	require.False(t, n.agreed(renewed))
}
