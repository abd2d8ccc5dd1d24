package cli_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// hours is longer than any test: nodes that never connect do not count as lost.
const hours = 10 * time.Hour

// keyRing derives join tokens; no other key is asked for.
type keyRing struct{ rest.Keys }

func (keyRing) Derive(purpose string) [16]byte {
	sum := sha256.Sum256([]byte(purpose))
	return [16]byte(sum[:16])
}

// startManager runs a whole manager on a database in memory, whose nodes n1 and
// n2 are made up: what they are to run, runs at once. It returns its
// socket; atEnd is given what ends it.
func startManager(t *testing.T, atEnd func(func())) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "orc") // t.TempDir's paths are too long for sockets
	require.NoError(t, err)
	atEnd(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "orc.sock")
	database := memory.New()
	credentials := furnish(t, database)
	tcp, err := server.Listen("127.0.0.1:0")
	require.NoError(t, err)
	unix, err := server.ListenUnix(socket)
	require.NoError(t, err)
	manager := server.New(server.Config{
		Store: database, Node: "m1", Credentials: credentials, TCP: tcp, Unix: unix,
		API: func(d *session.Dispatcher, others *managers.Managers) http.Handler {
			return rest.New(rest.Config{Store: database, Dispatcher: d, Managers: others, Keys: keyRing{}, Node: "m1", Log: zap.NewNop()})
		},
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return manager.Run(ctx) })
	group.Go(func() error { return pretend(ctx, database) })
	atEnd(func() {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		database.Close()
	})
	return socket
}

// furnish makes a cluster with two workers and some loaded images.
func furnish(t *testing.T, database *memory.Store) *ca.Credentials {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := authority.Key()
	require.NoError(t, err)
	cluster := &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Name: "test", Identity: "cluster1", Roots: authority.Roots(), CAKey: key,
		Settings: api.Settings{NodeTimeout: api.Duration(hours)}, LastNumber: 3}
	ca.RotateTokens(cluster, keyRing{}, time.Now(), api.RoleManager, api.RoleWorker)
	tx := &store.Tx{}
	tx.Set(cluster)
	tx.Set(&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, Availability: api.AvailabilityActive, API: "10.0.0.1:6720", Number: 1})
	for i, name := range []string{"n1", "n2"} {
		id := name + strings.Repeat("0", 10)
		tx.Set(&api.Node{Meta: api.Meta{ID: id}, Name: name, Role: api.RoleWorker, Availability: api.AvailabilityActive, Runs: true, Number: uint16(2 + i)})
		tx.Set(&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady, Session: "s", Since: time.Now(), Info: api.NodeInfo{
			Hostname: name, Platform: api.Platform{OS: "linux", Arch: "amd64"}, Capacity: api.ResourceSet{NanoCPUs: 4e9, Memory: 8 << 30}, Version: "1.0",
		}})
	}
	for _, name := range []string{"clock:1.0", "clock:2.0", "crasher:1.0"} {
		tx.Set(&api.Image{Meta: api.Meta{ID: api.NewID()}, Name: "docker.io/library/" + name, Digest: fmt.Sprintf("sha256:%064x", []byte(name))})
	}
	_, err = database.Commit(t.Context(), tx)
	require.NoError(t, err)
	request, private, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := authority.SignNode(request, "m1", api.RoleManager, 0, time.Now())
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(certificate, private, authority.Roots())
	require.NoError(t, err)
	return credentials
}

// pretend is all agents: it reports what is to run as running, what is to stop as
// stopped, and refuses crashers.
func pretend(ctx context.Context, database *memory.Store) error {
	watcher := database.Watch()
	defer watcher.Close()
	for {
		tx := report(database.Snapshot())
		if tx.Len() > 0 {
			if _, err := database.Commit(ctx, tx); err != nil && ctx.Err() != nil {
				return ctx.Err()
			} // else somebody was faster, and the next look tells
		}
		if _, err := watcher.Next(ctx); err != nil {
			return err
		}
	}
}

func report(snapshot *store.Snapshot) *store.Tx {
	tx := &store.Tx{}
	for task := range store.All[api.Task](snapshot) {
		if task.Node == "" {
			continue
		}
		old := store.Get[api.TaskStatus](snapshot, task.ID)
		status := &api.TaskStatus{Meta: api.Meta{ID: task.ID}, Node: task.Node, Since: time.Now(), State: api.TaskRunning}
		status.Attempts = []api.Attempt{{Container: "c" + task.ID, Started: time.Now(), ExitCode: -1}}
		revision := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision))
		switch {
		case task.Desired != api.DesiredRun && task.Desired != api.DesiredReady:
			status.State = api.TaskShutdown
		case revision != nil && strings.HasPrefix(revision.Spec.Container.Image, "crasher"):
			status.State, status.Message = api.TaskRejected, "it crashes"
		case task.Desired == api.DesiredReady:
			status.State, status.Attempts = api.TaskReady, nil
		}
		if old == nil || !old.State.Terminal() && old.State != status.State {
			tx.Require(task)
			tx.Set(status)
		}
	}
	return tx
}
