package node

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store/seal"
)

// keyRing is what the managers' tokens are derived from.
var keyRing = seal.NewRing()

// manager plays what a joining node needs of one.
type manager struct {
	cluster *api.Cluster
	address string
	joined  atomic.Int32 // secrets received
	lose    atomic.Bool  // the next answer
	known   sync.Map     // nodes by what they asked with
	// credentials are what it shows; asked is called when its roots are asked for.
	credentials *ca.Credentials
	asked       func()
}

func newManager(t *testing.T, listener net.Listener) *manager {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	caKey, err := authority.Key()
	require.NoError(t, err)
	m := &manager{cluster: &api.Cluster{Identity: "cluster1", Roots: authority.Roots(), CAKey: caKey}, address: listener.Addr().String()}
	ca.RotateTokens(m.cluster, keyRing, time.Now(), api.RoleManager, api.RoleWorker)
	request, key, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := authority.SignNode(request, "m1", api.RoleManager, 0, time.Now())
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, key, authority.Roots())
	require.NoError(t, err)
	m.credentials = credentials
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ca", func(w http.ResponseWriter, _ *http.Request) {
		if m.asked != nil {
			m.asked()
		}
		w.Write(m.cluster.Roots)
	})
	mux.HandleFunc("POST /v1/join", func(w http.ResponseWriter, r *http.Request) {
		m.joined.Add(1)
		var question api.JoinRequest
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
			t.Error(err)
		}
		role, err := ca.UseToken(m.cluster, question.Secret, time.Now())
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(w).Encode(err)
			return
		}
		known, _ := m.known.LoadOrStore(string(question.Request), api.NewID())
		node := api.Node{Meta: api.Meta{ID: known.(string)}, Name: question.Name, Role: role}
		if m.lose.Swap(false) {
			panic(http.ErrAbortHandler)
		}
		authority, err := ca.Load(m.cluster)
		if err != nil {
			t.Error(err)
		}
		issued, err := authority.SignNode(question.Request, node.ID, role, 0, time.Now())
		if err != nil {
			t.Error(err)
		}
		json.NewEncoder(w).Encode(api.JoinAnswer{
			Node: node, Cluster: "cluster1", Certificate: issued, Roots: authority.Roots(), Managers: []string{m.address},
		})
	})
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}, TLS: credentials.Server(), EnableHTTP2: true}
	server.StartTLS()
	t.Cleanup(server.Close)
	return m
}

func (m *manager) token(t *testing.T, role api.Role) string {
	t.Helper()
	token, err := ca.StandingToken(m.cluster, keyRing, role)
	require.NoError(t, err)
	return token.Token
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener
}

// joiner is a process that is about to join.
func joiner(t *testing.T, address, token string) *process {
	t.Helper()
	config := Config{Role: api.RoleWorker, DataDir: t.TempDir(), Name: "w1", Advertise: "127.0.0.1", Join: []string{address}, Token: token}
	require.NoError(t, config.Validate())
	dir, err := openDirectory(config.DataDir)
	require.NoError(t, err)
	t.Cleanup(func() { dir.close() })
	return &process{config: config, dir: dir, log: zap.NewNop()}
}

func TestJoin(t *testing.T) {
	m := newManager(t, listen(t))
	n := joiner(t, m.address, m.token(t, api.RoleWorker))
	require.NoError(t, n.join(t.Context()))
	require.Equal(t, []string{m.address}, n.identity.Managers)

	again := &process{config: n.config, dir: n.dir, log: zap.NewNop()}
	require.NoError(t, again.identify())
	require.NoError(t, again.open(t.Context()))
	require.Equal(t, n.identity.ID, again.identity.ID)
	require.Equal(t, ca.Peer{ID: n.identity.ID, Role: ca.RoleWorker, Cluster: "cluster1"}, again.credentials.Peer())

	again.config.Token = newManager(t, listen(t)).token(t, api.RoleWorker)
	require.ErrorContains(t, again.identify(), "another cluster")
	again.config.Token, again.config.Role = "", api.RoleManager
	require.NoError(t, again.identify(), "its role may have changed since its command was written")
	require.False(t, again.manages())
}

func TestTheSecretGoesToTheRightClusterOnly(t *testing.T) {
	right, wrong := newManager(t, listen(t)), newManager(t, listen(t))
	n := joiner(t, wrong.address, right.token(t, api.RoleWorker))
	err := n.join(t.Context())
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(err))
	require.ErrorContains(t, err, "another cluster")
	require.Zero(t, wrong.joined.Load())
	requireNobody(t, n.dir.path)

	// One that shows the right CA, which anybody can get, but has no certificate of it.
	wrong.cluster.Roots = right.cluster.Roots
	err = n.join(t.Context())
	require.Equal(t, api.CodeUnauthorized, api.CodeOf(err))
	require.Zero(t, wrong.joined.Load())
	requireNobody(t, n.dir.path)
}

func TestAWrongTokenIsFinal(t *testing.T) {
	m := newManager(t, listen(t))
	token := m.token(t, api.RoleWorker)
	ca.RotateTokens(m.cluster, keyRing, time.Now(), api.RoleWorker)
	n := joiner(t, m.address, token)
	require.ErrorContains(t, n.join(t.Context()), "rotated")
	requireNobody(t, n.dir.path)
	n.config.Token = ""
	require.ErrorContains(t, n.join(t.Context()), "--token")
}

func TestAManagerThatIsAwayIsAskedAgain(t *testing.T) {
	listener := listen(t)
	address := listener.Addr().String()
	m := newManager(t, listener)
	n := joiner(t, "127.0.0.1:1", m.token(t, api.RoleWorker)) // nobody listens there
	n.config.Join = append(n.config.Join, address)
	require.NoError(t, n.join(t.Context()))
}

func TestAHostWhoseAnswerWasLostAsksForTheSame(t *testing.T) {
	m := newManager(t, listen(t))
	m.lose.Store(true)
	n := joiner(t, m.address, m.token(t, api.RoleWorker))
	require.NoError(t, n.join(t.Context()))
	require.EqualValues(t, 2, m.joined.Load())
	m.known.Range(func(_, id any) bool {
		require.Equal(t, n.identity.ID, id, "it is one node")
		return true
	})
}

func TestATokenOfTheNextRootWaitsForTheManagersCertificate(t *testing.T) {
	m := newManager(t, listen(t))
	next, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	require.NoError(t, ca.Rotate(m.cluster, next))
	require.NoError(t, ca.Advance(m.cluster)) // all are to renew
	tries := 0
	m.asked = func() {
		if tries++; tries < 2 {
			return // its own certificate is of the root before
		}
		request, key, err := ca.NewRequest()
		require.NoError(t, err)
		certificate, err := next.SignNode(request, "m1", api.RoleManager, 0, time.Now())
		require.NoError(t, err)
		require.NoError(t, m.credentials.Replace(certificate, key, m.cluster.Roots))
	}
	n := joiner(t, m.address, m.token(t, api.RoleWorker))
	require.NoError(t, n.join(t.Context()))
	require.Equal(t, 2, tries)
	require.Equal(t, next.Digest(), n.credentials.Trust().Issuer)
}

func TestNothingIsLeftOfAnAttemptThatFailed(t *testing.T) {
	m := newManager(t, listen(t))
	n := joiner(t, m.address, m.token(t, api.RoleWorker))
	require.NoError(t, os.MkdirAll(filepath.Join(n.dir.path, "db", "etcd"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(n.dir.path, "node.pem"), []byte("half"), 0o600))
	require.NoError(t, n.join(t.Context()))
	require.NoDirExists(t, filepath.Join(n.dir.path, "db"))
}

func TestRenewedCredentialsReplaceTheOld(t *testing.T) {
	m := newManager(t, listen(t))
	n := joiner(t, m.address, m.token(t, api.RoleWorker))
	require.NoError(t, n.join(t.Context()))
	require.NoError(t, n.followRoots(n.mustRead(t, "roots.crt"), "", 0))
	require.Error(t, n.followRoots(newManager(t, listen(t)).cluster.Roots, "", 0), "roots that the certificate is not of")
	read, err := n.dir.credentials(nil)
	require.NoError(t, err)
	require.Equal(t, n.credentials.Peer(), read.Peer())
}

func (n *process) mustRead(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(n.dir.file(name))
	require.NoError(t, err)
	return data
}
