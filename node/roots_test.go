package node

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/session"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
)

// worker is a worker's process without its containers.
type worker struct {
	*process
	*idler
	leave func() // ends its session
}

// work makes a worker that is connected to one manager until the test ends.
func (m *voter) work(t *testing.T, name string) *worker {
	t.Helper()
	token, err := m.client.Token(t.Context(), api.RoleWorker)
	require.NoError(t, err)
	dir, err := openDirectory(t.TempDir())
	require.NoError(t, err)
	n := newProcess(Config{Role: api.RoleWorker, DataDir: dir.path, Name: name, Join: []string{m.config.Listen}, Token: token.Token}, dir, zap.NewNop())
	require.NoError(t, n.join(t.Context()))
	w := &worker{process: n, idler: &idler{lost: make(chan struct{}, 1), applied: make(chan struct{}, 1)}}
	t.Cleanup(func() { dir.close() })
	w.leave = w.connect(t, m)
	<-w.applied
	return w
}

// connect keeps a session with a manager, and the certificate as it is to be. The
// function that it returns ends both.
func (w *worker) connect(t *testing.T, m *voter) (leave func()) {
	t.Helper()
	client := session.New(session.Config{
		Node: w.idler, Managers: []string{m.config.Listen}, TLS: w.credentials.Client,
		Info:    func() api.NodeInfo { return api.NodeInfo{Trust: w.credentials.Trust()} },
		Changed: w.describing, Welcomed: func(welcome wire.Welcome) { w.welcomed(welcome) },
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { client.Run(ctx) })
	ended.Go(func() { w.renewLoop(ctx) })
	leave = func() {
		cancel()
		ended.Wait()
	}
	t.Cleanup(leave)
	return leave
}

// settledCA waits until no rotation of the CA goes on, and returns the root.
func (m *voter) settledCA(t *testing.T) string {
	t.Helper()
	var view api.CAView
	require.Eventually(t, func() bool {
		var err error
		view, err = m.client.CAStatus(t.Context())
		return err == nil && view.Phase == api.CASettled
	}, patience, 20*time.Millisecond, "%+v", &view)
	require.Len(t, view.Roots, 1)
	return view.Roots[0].Digest
}

// refuses waits until a manager lets nobody in who shows a certificate, at either port.
func (m *voter) refuses(t *testing.T, config *tls.Config) {
	t.Helper()
	for _, address := range []string{m.config.Listen, m.peerPort(t)} {
		config := config.Clone()
		config.InsecureSkipVerify, config.VerifyConnection, config.NextProtos = true, nil, nil // it is the manager that refuses
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		eventually(t, func() bool {
			response, err := client.Get("https://" + address + "/members")
			if err == nil {
				response.Body.Close()
			}
			return err != nil
		})
	}
}

func TestTheCAIsRotatedAndNoSessionIsDropped(t *testing.T) {
	all := three(t)
	cluster, err := all[0].client.Cluster(t.Context())
	require.NoError(t, err)
	cluster.Settings.NodeTimeout = api.Duration(time.Minute) // a slow machine drops no session
	_, err = all[0].client.UpdateCluster(t.Context(), cluster.Settings)
	require.NoError(t, err)
	workers := []*worker{all[0].work(t, "w1"), all[1].work(t, "w2")}
	old := all[0].settledCA(t)
	stolen, err := (&directory{path: all[1].config.DataDir}).credentials(nil)
	require.NoError(t, err)
	context, err := all[2].client.CreateClient(t.Context(), "laptop")
	require.NoError(t, err)
	client, err := ca.NewCredentials(context.Certificate, context.Key, context.Roots)
	require.NoError(t, err)

	thief := http.Client{Transport: &http.Transport{TLSClientConfig: stolen.Client(), ForceAttemptHTTP2: true}}
	defer thief.CloseIdleConnections()
	ask := func() int {
		response, err := thief.Get("https://" + all[2].config.Listen + "/v1/version")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, ask())

	for round := range 2 {
		_, err := all[round].client.RotateCA(t.Context(), api.RotateCA{})
		require.NoError(t, err)
		_, err = all[2].client.RotateCA(t.Context(), api.RotateCA{})
		if err != nil { // else it was done already
			require.Equal(t, api.CodeConflict, api.CodeOf(err))
		}
		fresh := all[2].settledCA(t)
		require.NotEqual(t, old, fresh)
		for _, w := range workers {
			require.Equal(t, api.Trust{Roots: []string{fresh}, Issuer: fresh}, w.credentials.Trust())
			select {
			case <-w.lost:
				t.Fatal("a session was dropped")
			default:
			}
		}
		require.NoError(t, all[1].label("meanwhile"))
	}
	require.Equal(t, http.StatusUnauthorized, ask(), "over the connection of before")
	for _, w := range workers {
		require.NoError(t, w.ofThisCluster(), "a unit that starts it with the token of then means this cluster")
	}
	for _, each := range all {
		each.refuses(t, stolen.Client())
		each.refuses(t, client.Client())
		require.Equal(t, http.StatusOK, status(t, each.config.Listen, "/v1/version", workers[0].credentials.Client()))
	}
	eventually(t, func() bool {
		view, err := all[0].client.CAStatus(t.Context())
		return err == nil && slices.Equal(view.Restart, []string{"m1", "m2", "m3"})
	})

	// A restart makes the databases forget the first root, too.
	for i := range all {
		require.NoError(t, all[i].stop())
		all[i] = all[i].again(t)
		all[i].waitReady(all[i].config.DataDir)
	}
	eventually(t, func() bool {
		view, err := all[0].client.CAStatus(t.Context())
		return err == nil && len(view.Restart) == 0
	})
	startManager(t, all[0].joining(t, "m4"))
	eventually(t, func() bool {
		node, err := all[0].client.Node(t.Context(), "m4")
		return err == nil && node.Manager == api.ManagerReachable
	})
}

func TestARotationOfTheCAWaitsForWhoIsAway(t *testing.T) {
	all := three(t)
	all[1].work(t, "w1")
	away := all[0].work(t, "w2")
	away.leave()
	require.NoError(t, all[2].stop())
	_, err := all[0].client.RotateCA(t.Context(), api.RotateCA{})
	require.NoError(t, err)
	waiting := func(want ...api.CAWait) {
		t.Helper()
		var view api.CAView
		require.Eventually(t, func() bool {
			view, err = all[0].client.CAStatus(t.Context())
			for i := range view.Waiting {
				view.Waiting[i].ID = ""
			}
			return err == nil && api.EqualSpec(view.Waiting, want)
		}, patience, 20*time.Millisecond, "%+v", &view)
		require.Equal(t, api.CATrust, view.Phase)
	}
	waiting(api.CAWait{Name: "m3", Role: api.RoleManager, Away: true}, api.CAWait{Name: "w2", Role: api.RoleWorker, Away: true})

	// Who comes back takes part.
	all[2] = all[2].again(t)
	waiting(api.CAWait{Name: "w2", Role: api.RoleWorker, Away: true})
	// Who does not is removed, and comes back as a new node by a new token.
	require.NoError(t, all[0].client.RemoveNode(t.Context(), "w2", false))
	fresh := all[0].settledCA(t)
	all[2].refuses(t, away.credentials.Client())
	require.Equal(t, fresh, all[1].work(t, "w2").credentials.Trust().Issuer)
}
