package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func newAuthority(t *testing.T, cluster string) *Authority {
	t.Helper()
	a, err := New(cluster, time.Now())
	require.NoError(t, err)
	return a
}

func node(t *testing.T, a *Authority, id string, role api.Role) *Credentials {
	t.Helper()
	request, key, err := NewRequest()
	require.NoError(t, err)
	certificate, err := a.SignNode(request, id, role, 0, time.Now())
	require.NoError(t, err)
	credentials, err := NewCredentials(certificate, key, a.Roots())
	require.NoError(t, err)
	return credentials
}

// meet does a handshake and returns both ends' states or errors.
func meet(t *testing.T, server, client *tls.Config) (atServer, atClient tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(a, server)
		serverErr = conn.HandshakeContext(t.Context())
		if serverErr == nil {
			conn.Write([]byte{1})
		}
		atServer = conn.ConnectionState()
		a.Close()
	}()
	conn := tls.Client(b, client)
	clientErr = conn.HandshakeContext(t.Context())
	if clientErr == nil {
		_, clientErr = conn.Read(make([]byte, 1)) // a refused certificate shows only here
	}
	atClient = conn.ConnectionState()
	b.Close()
	<-done
	return atServer, atClient, serverErr, clientErr
}

func TestNodesOfOneClusterMeet(t *testing.T) {
	a := newAuthority(t, "cluster1")
	manager, worker := node(t, a, "m1", api.RoleManager), node(t, a, "w1", api.RoleWorker)
	atServer, atClient, serverErr, clientErr := meet(t, manager.Server(), worker.Client())
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	peer, ok := PeerOf(&atServer)
	require.True(t, ok)
	require.Equal(t, Peer{ID: "w1", Role: RoleWorker, Cluster: "cluster1"}, peer)
	peer, ok = PeerOf(&atClient)
	require.True(t, ok)
	require.Equal(t, Peer{ID: "m1", Role: RoleManager, Cluster: "cluster1"}, peer)
	require.EqualValues(t, tls.VersionTLS13, atServer.Version)
}

func TestWhoIsRefused(t *testing.T) {
	a, other := newAuthority(t, "cluster1"), newAuthority(t, "cluster2")
	manager, worker := node(t, a, "m1", api.RoleManager), node(t, a, "w1", api.RoleWorker)
	stranger := node(t, other, "w1", api.RoleWorker)
	t.Run("a node of another cluster, by the manager", func(t *testing.T) {
		config := stranger.Client()
		config.RootCAs, config.VerifyConnection = worker.Client().RootCAs, nil
		_, _, serverErr, _ := meet(t, manager.Server(), config)
		require.Error(t, serverErr)
	})
	t.Run("a manager of another cluster, by the node", func(t *testing.T) {
		_, _, _, clientErr := meet(t, node(t, other, "m1", api.RoleManager).Server(), worker.Client())
		require.Error(t, clientErr)
	})
	t.Run("a worker that plays manager", func(t *testing.T) {
		_, _, _, clientErr := meet(t, worker.Server(), worker.Client())
		require.Error(t, clientErr)
	})
	t.Run("TLS 1.2", func(t *testing.T) {
		config := worker.Client()
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		_, _, serverErr, _ := meet(t, manager.Server(), config)
		require.Error(t, serverErr)
	})
}

func TestAJoinerMeetsTheManagerByItsRootAlone(t *testing.T) {
	a := newAuthority(t, "cluster1")
	root, err := CheckRoots(a.Roots(), a.Digest())
	require.NoError(t, err)
	config, err := Joining(root)
	require.NoError(t, err)
	atServer, _, serverErr, clientErr := meet(t, node(t, a, "m1", api.RoleManager).Server(), config)
	require.NoError(t, serverErr)
	require.NoError(t, clientErr)
	_, ok := PeerOf(&atServer)
	require.False(t, ok, "no certificate, no peer")

	_, err = CheckRoots(newAuthority(t, "evil").Roots(), a.Digest())
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(err))
	_, err = CheckRoots([]byte("nonsense"), a.Digest())
	require.Error(t, err)
}

func TestARequestGivesItsKeyAndNothingElse(t *testing.T) {
	a := newAuthority(t, "cluster1")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: "m1", Organization: []string{"cluster9"}, OrganizationalUnit: []string{RoleManager}},
		DNSNames: []string{ServerName(RoleManager)},
	}, key)
	require.NoError(t, err)
	issued, err := a.SignNode(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "w1", api.RoleWorker, time.Minute, time.Now())
	require.NoError(t, err)
	certificates, err := parseCertificates(issued)
	require.NoError(t, err)
	peer, ok := peerOf(certificates[0])
	require.True(t, ok)
	require.Equal(t, Peer{ID: "w1", Role: RoleWorker, Cluster: "cluster1"}, peer)
	require.Equal(t, []string{"w1", ServerName(RoleWorker)}, certificates[0].DNSNames)
	require.False(t, certificates[0].IsCA)
	require.WithinDuration(t, time.Now().Add(api.MinCertLifetime), certificates[0].NotAfter, time.Minute, "too short a life is lengthened")
}

func TestBadRequests(t *testing.T) {
	a := newAuthority(t, "cluster1")
	request, key, err := NewRequest()
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"nothing": nil, "a key": key, "two": append(request, request...), "cut": request[:len(request)/2],
		"long": make([]byte, maxPEM+1),
	} {
		_, err := a.SignNode(data, "w1", api.RoleWorker, 0, time.Now())
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), name)
	}
	_, err = a.SignNode(request, "w1", RoleClient, 0, time.Now())
	require.Error(t, err)
}

func TestAnAuthorityIsLoadedAgain(t *testing.T) {
	a := newAuthority(t, "cluster1")
	key, err := a.Key()
	require.NoError(t, err)
	loaded, err := Load(&api.Cluster{Identity: "cluster1", Roots: a.Roots(), CAKey: key})
	require.NoError(t, err)
	require.Equal(t, a.Digest(), loaded.Digest())
	wrong, err := newAuthority(t, "cluster1").Key()
	require.NoError(t, err)
	_, err = Load(&api.Cluster{Identity: "cluster1", Roots: a.Roots(), CAKey: wrong})
	require.Error(t, err)
	_, err = Load(nil)
	require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
}

func TestRenewalIsDueBetweenHalfAndFourFifthsOfALife(t *testing.T) {
	a := newAuthority(t, "cluster1")
	credentials := node(t, a, "w1", api.RoleWorker)
	life := api.DefaultCertLifetime
	for range 100 {
		at := time.Until(credentials.RenewAt())
		require.Greater(t, at, life/2-time.Minute)
		require.Less(t, at, life*8/10+time.Minute)
	}
	require.NoError(t, credentials.Check(time.Now()))
	require.ErrorContains(t, credentials.Check(time.Now().Add(-life-time.Hour)), "clock")
	require.ErrorContains(t, credentials.Check(time.Now().Add(life+time.Hour)), "ended")
}

// TestAClockThatIsOffMakesNoCertificateThatIsOfNoUse has an authority issue by a
// clock that is ahead or behind: as long as a node can ask by that clock, what it gets
// is good by the right one.
func TestAClockThatIsOffMakesNoCertificateThatIsOfNoUse(t *testing.T) {
	right := time.Now()
	for _, off := range []time.Duration{-api.DefaultCertLifetime / 2, -time.Hour, 0, time.Hour, api.DefaultCertLifetime - time.Hour} {
		a, err := New("cluster1", right.Add(off))
		require.NoError(t, err)
		request, key, err := NewRequest()
		require.NoError(t, err)
		certificate, err := a.SignNode(request, "m1", api.RoleManager, 0, right.Add(off))
		require.NoError(t, err)
		credentials, err := NewCredentials(certificate, key, a.Roots())
		require.NoError(t, err)
		require.NoError(t, credentials.Check(right), off)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(a.Roots()))
		_, err = credentials.Leaf().Verify(x509.VerifyOptions{Roots: pool, CurrentTime: right})
		require.NoError(t, err, off)
		require.Less(t, credentials.RenewAt().Sub(right.Add(off)), api.DefaultCertLifetime*8/10+time.Minute)
	}
}

func TestClientsAreClients(t *testing.T) {
	a := newAuthority(t, "cluster1")
	certificate, key, err := a.IssueClient("ann", time.Now())
	require.NoError(t, err)
	credentials, err := NewCredentials(certificate, key, a.Roots())
	require.NoError(t, err)
	require.Equal(t, Peer{ID: "ann", Role: RoleClient, Cluster: "cluster1"}, credentials.Peer())
}

func TestRequire(t *testing.T) {
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(Require(t.Context(), RoleLocal)))
	ctx := WithPeer(context.Background(), Peer{ID: "w1", Role: RoleWorker})
	require.Equal(t, api.CodeForbidden, api.CodeOf(Require(ctx, RoleLocal, RoleClient)))
	require.NoError(t, Require(ctx, RoleManager, RoleWorker))
}

func FuzzParsers(f *testing.F) {
	request, key, err := NewRequest()
	require.NoError(f, err)
	f.Add(request)
	f.Add(key)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseRequest(data); err != nil {
			require.NotEmpty(t, err.Error())
		}
		if found, err := parseCertificates(data); err == nil {
			require.NotEmpty(t, found)
		}
		_, _ = CheckRoots(data, "00")
	})
}
