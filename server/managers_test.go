package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// second adds a manager to the cluster's first, and waits until they have met.
func (c *cluster) second() *session.Dispatcher {
	c.t.Helper()
	c.put(&api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "10.0.0.2:6720"})
	address, dispatcher := c.serve("m2", filepath.Join(c.t.TempDir(), "orc.sock"))
	c.put(&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, API: c.address})
	c.put(&api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: address})
	return dispatcher
}

func TestAnyManagerReachesANodeThatIsConnectedToAnother(t *testing.T) {
	c := newCluster(t)
	other := c.second()
	c.work("w1", echo)
	requireEcho(t, c.dispatcher)
	require.Eventually(t, func() bool {
		stream, err := other.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
		if err == nil {
			stream.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond, "the other manager has not heard of the session")
	requireEcho(t, other)

	_, err := other.Open(t.Context(), "w2", wire.Open{Do: &wire.DoRequest{}})
	require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
	c.put(&api.NodeStatus{Meta: api.Meta{ID: "w2"}, State: api.NodeReady, Manager: "m1", Session: "gone"})
	_, err = other.Open(t.Context(), "w2", wire.Open{Do: &wire.DoRequest{}})
	require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
	require.ErrorContains(t, err, "not connected", "the other manager's own words")
}

func TestAStreamThroughAnotherManagerEndsWithTheNodesSide(t *testing.T) {
	c := newCluster(t)
	other := c.second()
	c.work("w1", func(w *worker, open wire.Open) {
		response, err := w.answer(open.ID, io.LimitReader(zeros{}, 1<<20))
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
	var stream io.ReadWriteCloser
	require.Eventually(t, func() bool {
		var err error
		stream, err = other.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
		return err == nil
	}, patience, 10*time.Millisecond)
	defer stream.Close()
	n, err := io.Copy(io.Discard, stream)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, n)
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestOnlyManagersAskManagers(t *testing.T) {
	c := newCluster(t)
	c.put(&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker})
	certificate, key, err := c.authority.IssueClient("ann", time.Now())
	require.NoError(t, err)
	ann, err := ca.NewCredentials(certificate, key, c.authority.Roots())
	require.NoError(t, err)
	for _, client := range []*http.Client{c.client(c.node("w1", api.RoleWorker).Client()), c.client(c.node("w1", api.RoleManager).Client()), c.client(ann.Client())} {
		response, err := client.Get("https://" + c.address + "/v1/alive")
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		response, err = client.Get("https://" + c.address + "/v1/floor")
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		response, err = client.Post("https://"+c.address+"/v1/relay/w1", "", nil)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusForbidden, response.StatusCode)
	}
}

func TestManagersAskEachOtherHowFarNodesHaveCome(t *testing.T) {
	c := newCluster(t)
	c.second()
	w := c.work("w1", nil)
	other := managers.New(managers.Config{Store: c.store, Node: "m2", Credentials: c.node("m2", api.RoleManager)}, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		other.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for range 20 {
		require.Zero(t, other.Floor(), "the node has not acted on what it was told")
		<-other.Heard()
	}
	w.mu.Lock()
	told := w.seen[0].Revision
	w.mu.Unlock()
	require.NoError(t, wire.Write(w.up, &wire.Up{Applied: told}))
	require.Eventually(t, func() bool { return other.Floor() >= told }, patience, 10*time.Millisecond)

	c.put(&api.NodeStatus{Meta: api.Meta{ID: "w1"}, State: api.NodeDown, Manager: "m1", Since: time.Now().Add(-session.HoldLimit)})
	require.Greater(t, other.Floor(), int64(1)<<60, "nobody waits for who is gone for long")
}

// seats are the databases of m1, which leads, and of m2, whose disk is full.
type seats struct {
	store.Membership // the rest is not asked
	self             uint64
}

func (seats) Wrong() error   { return nil }
func (s seats) Self() uint64 { return s.self }
func (seats) Leader() uint64 { return 1 }
func (seats) Known() []store.Member {
	return []store.Member{{ID: 1, Name: "m1"}, {ID: 2, Name: "m2"}}
}

func (s seats) Members(context.Context) ([]store.Member, error) { return s.Known(), nil }
func (seats) Promote(context.Context, uint64) error             { return nil }
func (seats) Remove(context.Context, uint64) error              { return nil }
func (seats) Yield() error                                      { return nil }

func (s seats) Writable() error {
	if s.self == 2 {
		return errors.New("its disk is full")
	}
	return nil
}

func TestANodeThatDiesWhileItsManagersDiskIsFullIsWrittenOff(t *testing.T) {
	t.Parallel()
	c := newClusterOf(t, func(id string) store.Membership {
		if id == "m1" {
			return seats{self: 1}
		}
		return seats{self: 2}
	})
	cluster := *store.Get[api.Cluster](c.store.Snapshot(), api.ClusterID)
	cluster.Settings.NodeTimeout = api.Duration(time.Second)
	c.put(&cluster)
	full := c.second()
	c.put(&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker})
	c.put(&api.NodeStatus{Meta: api.Meta{ID: "w1"}, State: api.NodeReady, Manager: "m2", Session: "was there"})
	_, err := full.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
	require.Error(t, err)
	require.Eventually(t, func() bool {
		return store.Get[api.NodeStatus](c.store.Snapshot(), "w1").State == api.NodeDown
	}, patience, 50*time.Millisecond)
	require.Contains(t, store.Get[api.NodeStatus](c.store.Snapshot(), "w1").Message, "manager that it was connected to", "the leader saw it")
}
