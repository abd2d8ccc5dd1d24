package ca

import (
	"crypto/x509"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// foundCluster is a cluster with a CA, as it is when it is new.
func foundCluster(t *testing.T) *api.Cluster {
	t.Helper()
	a := newAuthority(t, "cluster1")
	key, err := a.Key()
	require.NoError(t, err)
	return &api.Cluster{Identity: "cluster1", Roots: a.Roots(), CAKey: key}
}

func load(t *testing.T, cluster *api.Cluster) *Authority {
	t.Helper()
	a, err := Load(cluster)
	require.NoError(t, err)
	return a
}

// trustee is a node in a rotation, which it hears of late.
type trustee struct {
	id          string
	role        api.Role
	pair        []byte // its certificate with its key
	roots       []byte
	credentials *Credentials
	database    []*x509.Certificate // whom a manager's database trusts, since it was started
}

func (n *trustee) renew(t *testing.T, cluster *api.Cluster) {
	t.Helper()
	request, key, err := NewRequest()
	require.NoError(t, err)
	certificate, err := load(t, cluster).SignNode(request, n.id, n.role, 0, time.Now())
	require.NoError(t, err)
	n.pair = append(certificate, key...)
	n.replace(t)
}

func (n *trustee) replace(t *testing.T) {
	t.Helper()
	var err error
	n.credentials, err = NewCredentials(n.pair, n.pair, n.roots)
	require.NoError(t, err)
}

func (n *trustee) restart(t *testing.T) {
	t.Helper()
	var err error
	n.database, err = parseCertificates(n.roots)
	require.NoError(t, err)
}

func (n *trustee) trust() api.Trust {
	trust := n.credentials.Trust()
	for _, each := range n.database {
		trust.Database = append(trust.Database, digest(each))
	}
	return trust
}

// believes says whether roots let the other one in, with all that it shows.
func believes(roots []*x509.Certificate, other *trustee) error {
	pool := x509.NewCertPool()
	for _, each := range roots {
		pool.AddCert(each)
	}
	shown, err := parseCertificates(slices.Concat(certificatesOf(other.credentials)...))
	if err != nil {
		return err
	}
	return verify(shown[0], shown[1:], x509.VerifyOptions{Roots: pool})
}

func certificatesOf(c *Credentials) [][]byte {
	var all [][]byte
	for _, der := range c.state.Load().certificate.Certificate {
		all = append(all, encodeCertificate(der))
	}
	return all
}

// TestNobodyIsShutOutWhileTheRootIsRotated lets nodes hear of each phase in any order
// and managers be restarted at any moment. Whoever dials whom is let in.
func TestNobodyIsShutOutWhileTheRootIsRotated(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			cluster := foundCluster(t)
			var nodes []*trustee
			for i, role := range []api.Role{api.RoleManager, api.RoleManager, api.RoleWorker} {
				n := &trustee{id: "n" + strconv.Itoa(i), role: role, roots: cluster.Roots}
				n.renew(t, cluster)
				n.restart(t)
				nodes = append(nodes, n)
			}
			for range 3 {
				old := *nodes[0]
				require.NoError(t, Rotate(cluster, newAuthority(t, "cluster1")))
				for cluster.CA.Phase != api.CASettled {
					cluster = reload(t, cluster) // the leader is another one
					step(t, random, cluster, nodes)
					requireTrust(t, nodes)
				}
				for _, each := range nodes {
					roots, err := parseCertificates(each.roots)
					require.NoError(t, err)
					require.Len(t, roots, 1)
					require.Error(t, believes(roots, &old), "a certificate of a root that is gone")
				}
			}
		})
	}
}

func reload(t *testing.T, cluster *api.Cluster) *api.Cluster {
	t.Helper()
	data, err := json.Marshal(cluster)
	require.NoError(t, err)
	again := &api.Cluster{}
	require.NoError(t, json.Unmarshal(data, again))
	return again
}

// step lets one node do something, or the leader begin the next phase when all have
// done this one.
func step(t *testing.T, random *rand.Rand, cluster *api.Cluster, nodes []*trustee) {
	t.Helper()
	progress, err := ProgressOf(cluster)
	require.NoError(t, err)
	if !slices.ContainsFunc(nodes, func(n *trustee) bool { return !progress.Done(n.trust()) }) {
		require.NoError(t, Advance(cluster))
		return
	}
	n := nodes[random.IntN(len(nodes))]
	switch random.IntN(4) {
	case 0:
		n.restart(t)
	case 1, 2:
		n.roots = cluster.Roots
		n.replace(t)
	case 3:
		n.renew(t, cluster)
	}
}

func requireTrust(t *testing.T, nodes []*trustee) {
	t.Helper()
	for _, a := range nodes {
		roots, err := parseCertificates(a.roots)
		require.NoError(t, err)
		require.LessOrEqual(t, len(roots), 2)
		for _, b := range nodes {
			if a.role == api.RoleManager || b.role == api.RoleManager {
				require.NoError(t, believes(roots, b), "%s of %s", a.id, b.id)
			}
			if a.role == api.RoleManager && b.role == api.RoleManager {
				require.NoError(t, believes(a.database, b), "%s's database of %s", a.id, b.id)
			}
		}
	}
}

func TestAPhaseWaitsForWhatItAsks(t *testing.T) {
	cluster := foundCluster(t)
	old := load(t, cluster).Digest()
	require.NoError(t, Rotate(cluster, newAuthority(t, "cluster1")))
	views, err := Roots(cluster)
	require.NoError(t, err)
	require.Len(t, views, 2)
	fresh := views[1].Digest
	both := []string{old, fresh}
	for _, c := range []struct {
		phase api.CAPhase
		trust api.Trust
		done  bool
	}{
		{api.CATrust, api.Trust{}, false},
		{api.CATrust, api.Trust{Roots: []string{old}, Issuer: old}, false},
		{api.CATrust, api.Trust{Roots: both, Issuer: old}, true},
		{api.CARenew, api.Trust{Roots: both, Issuer: old}, false},
		{api.CARenew, api.Trust{Roots: both, Issuer: fresh}, true},
		{api.CADrop, api.Trust{Roots: both, Issuer: fresh}, false},
		{api.CADrop, api.Trust{Roots: []string{fresh}, Issuer: old}, false},
		{api.CADrop, api.Trust{Roots: []string{fresh}, Issuer: fresh}, true},
		{api.CASettled, api.Trust{}, true},
	} {
		for cluster.CA.Phase != c.phase {
			require.NoError(t, Advance(cluster))
		}
		progress, err := ProgressOf(cluster)
		require.NoError(t, err)
		require.Equal(t, c.done, progress.Done(c.trust), "%s: %v", c.phase, c.trust)
	}
	require.Nil(t, cluster.CA.Key, "the key is where it belongs, and nowhere else")
}

func TestWhatIssuesWhatTokensPinAndWhatIsBridged(t *testing.T) {
	cluster := foundCluster(t)
	RotateTokens(cluster, deriver("ring"), noon, api.RoleWorker)
	old, next := load(t, cluster), newAuthority(t, "cluster1")
	require.NoError(t, Rotate(cluster, next))
	for _, c := range []struct {
		phase  api.CAPhase
		issuer *Authority
	}{{api.CATrust, old}, {api.CARenew, next}, {api.CADrop, next}, {api.CASettled, next}} {
		for cluster.CA.Phase != c.phase {
			require.NoError(t, Advance(cluster))
		}
		require.Equal(t, c.issuer.Digest(), load(t, cluster).Digest(), c.phase)
		token, err := StandingToken(cluster, deriver("ring"), api.RoleWorker)
		require.NoError(t, err)
		parsed, err := api.ParseToken(token.Token)
		require.NoError(t, err)
		require.Equal(t, c.issuer.Digest(), parsed.Digest, c.phase)
		_, err = CheckRoots(cluster.Roots, parsed.Digest)
		require.NoError(t, err)
	}
	progress, err := ProgressOf(cluster)
	require.NoError(t, err)
	require.True(t, progress.Outdated(api.Trust{Database: []string{old.Digest()}}))
	require.True(t, progress.Outdated(api.Trust{Database: []string{old.Digest(), next.Digest()}}))
	require.False(t, progress.Outdated(api.Trust{Database: []string{next.Digest()}}))
	require.True(t, progress.Bridged(api.Trust{Database: []string{old.Digest()}}))
	require.False(t, progress.Bridged(api.Trust{Database: []string{old.Digest(), next.Digest()}}))
}

func TestOneRotationAtATime(t *testing.T) {
	cluster := foundCluster(t)
	same := load(t, cluster)
	require.Equal(t, api.CodeConflict, api.CodeOf(Rotate(cluster, same)))
	require.NoError(t, Rotate(cluster, newAuthority(t, "cluster1")))
	before := *cluster
	require.Equal(t, api.CodeConflict, api.CodeOf(Rotate(cluster, newAuthority(t, "cluster1"))))
	require.Equal(t, before, *cluster)
}
