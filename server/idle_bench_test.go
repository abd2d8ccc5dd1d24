package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	agents "github.com/orc-project/orc/agent/session"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// crowd is how many agents BenchmarkIdleAgents connects, for idleTime.
const (
	crowd    = 5000
	idleTime = time.Minute
)

// BenchmarkIdleAgents tells what agents that have nothing to do cost a manager: the
// real one on the real database, with real sessions over TLS. The agents are the
// real client too, all of them in one process beside this one: only what is below
// it, an agent's containers, is simulated.
func BenchmarkIdleAgents(b *testing.B) {
	m := membertest.Start(b, membertest.Config(b))
	s, err := etcd.Open(b.Context(), etcd.Config{Client: m.Client(), Seat: m, Sealer: seal.NewRing(), Logger: zap.NewNop()})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() }) // after the server, which needs it to the end
	invitation := found(b, s)
	run(b, s, m, &invitation)
	for b.Loop() {
		before := takeStock(b)
		end := gatherCrowd(b, invitation)
		revision := quiet(b, s)
		beside := processor(b)
		time.Sleep(idleTime)
		spent := processor(b)
		after := takeStock(b)
		last, err := s.Linearized(b.Context())
		require.NoError(b, err)
		b.ReportMetric(float64(last-revision), "writes/min")
		b.ReportMetric(100*(spent-beside).Seconds()/idleTime.Seconds(), "%core")
		b.ReportMetric(float64(after.heap-before.heap)/crowd/1024, "heap-KiB/agent")
		b.ReportMetric(float64(after.stacks-before.stacks)/crowd/1024, "stack-KiB/agent")
		b.ReportMetric(float64(after.resident-before.resident)/crowd/1024, "RSS-KiB/agent")
		b.ReportMetric(0, "ns/op")
		require.Equal(b, crowd, connected(s), "all are still there")
		end()
	}
}

// found makes a cluster of one manager with all nodes known to it.
func found(b *testing.B, s store.Store) invitation {
	b.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(b, err)
	i := invitation{Roots: authority.Roots()}
	request, key, err := ca.NewRequest()
	require.NoError(b, err)
	i.Key = key
	tx := &store.Tx{}
	tx.Set(&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: authority.Roots()})
	tx.Set(&api.Node{Meta: api.Meta{ID: "manager"}, Name: "manager", Role: api.RoleManager})
	for n := range crowd {
		id := fmt.Sprintf("node%021d", n)
		tx.Set(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Number: uint16(n + 2), Runs: true})
		tx.Set(&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeDown}) // it was here once
		certificate, err := authority.SignNode(request, id, api.RoleWorker, 0, time.Now())
		require.NoError(b, err)
		i.Certificates = append(i.Certificates, certificate)
		if tx.Len() == 1000 {
			commitNodes(b, s, tx)
			tx = &store.Tx{}
		}
	}
	commitNodes(b, s, tx)
	i.manager, err = authority.SignNode(request, "manager", api.RoleManager, 0, time.Now())
	require.NoError(b, err)
	return i
}

func commitNodes(b *testing.B, s store.Store, tx *store.Tx) {
	b.Helper()
	revision, err := s.Commit(b.Context(), tx)
	require.NoError(b, err)
	_, err = s.WaitFor(b.Context(), revision)
	require.NoError(b, err)
}

// run is a whole manager, but for what people ask of it.
func run(b *testing.B, s store.Store, m *member.Member, i *invitation) {
	b.Helper()
	credentials, err := ca.NewCredentials(i.manager, i.Key, i.Roots)
	require.NoError(b, err)
	tcp, err := Listen("127.0.0.1:0")
	require.NoError(b, err)
	unix, err := ListenUnix(filepath.Join(b.TempDir(), "orc.sock"))
	require.NoError(b, err)
	i.Manager = tcp.Addr().String()
	server := New(Config{
		Store: s, Node: "manager", Credentials: credentials, TCP: tcp, Unix: unix, Members: m,
		API: func(*session.Dispatcher, *managers.Managers) http.Handler { return http.NotFoundHandler() },
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
}

func connected(s store.Store) int {
	n := 0
	for status := range store.All[api.NodeStatus](s.Snapshot()) {
		if status.State == api.NodeReady {
			n++
		}
	}
	return n
}

// quiet waits until all are connected and nothing has been written for a while.
func quiet(b *testing.B, s store.Store) int64 {
	b.Helper()
	require.Eventually(b, func() bool { return connected(s) == crowd }, 10*time.Minute, 100*time.Millisecond)
	for {
		before, err := s.Linearized(b.Context())
		require.NoError(b, err)
		time.Sleep(5 * time.Second)
		if after, err := s.Linearized(b.Context()); err == nil && after == before {
			return after
		}
	}
}

// processor is the time that this process has had.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// stock is the memory that this process uses, in bytes.
type stock struct {
	heap, stacks, resident uint64
}

func takeStock(b *testing.B) stock {
	b.Helper()
	for range 4 { // each halves the stacks that have become too large
		runtime.GC()
	}
	debug.FreeOSMemory()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	pages, err := os.ReadFile("/proc/self/statm")
	require.NoError(b, err)
	resident, err := strconv.ParseUint(strings.Fields(string(pages))[1], 10, 64)
	require.NoError(b, err)
	return stock{heap: memory.HeapInuse, stacks: memory.StackInuse, resident: resident * uint64(os.Getpagesize())}
}

// invitation is what the process of the agents must know.
type invitation struct {
	Manager      string
	Roots        []byte
	Key          []byte // of all of them
	Certificates [][]byte
	manager      []byte
}

// asCrowd names the environment variable that makes the test's binary the agents.
const asCrowd = "ORC_TEST_CROWD"

// gatherCrowd starts the agents; end ends them.
func gatherCrowd(b *testing.B, i invitation) (end func()) {
	b.Helper()
	text, err := json.Marshal(i)
	require.NoError(b, err)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asCrowd+"=1")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, command.Start())
	_, err = stdin.Write(text)
	require.NoError(b, err)
	return func() {
		require.NoError(b, stdin.Close())
		require.NoError(b, command.Wait())
	}
}

// beCrowd is that process: its agents stay connected until its input ends.
func beCrowd() error {
	var i invitation
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&i); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	arriving := make(chan struct{}, 64) // all at once they would need the processor of as many hosts
	for n, certificate := range i.Certificates {
		credentials, err := ca.NewCredentials(certificate, i.Key, i.Roots)
		if err != nil {
			return err
		}
		info := api.NodeInfo{Hostname: fmt.Sprintf("host%d", n), Platform: api.Platform{OS: "linux", Arch: "amd64"}, Kernel: "6.18.0", OS: "Debian GNU/Linux 13 (trixie)"}
		var welcomed sync.Once
		client := agents.New(agents.Config{
			Node: nobody{}, Managers: []string{i.Manager}, TLS: func() *tls.Config { return credentials.Client() },
			Info:     func() api.NodeInfo { return info },
			Welcomed: func(wire.Welcome) { welcomed.Do(func() { <-arriving }) },
		}, zap.NewNop())
		select {
		case arriving <- struct{}{}:
			go client.Run(context.Background()) // ends with the process
		case err := <-ended:
			return err
		}
	}
	return <-ended
}

// nobody is an agent without containers.
type nobody struct{}

func (nobody) Apply(wire.Down) error                                  { return nil }
func (nobody) Lost(time.Time)                                         {}
func (nobody) Ready() <-chan struct{}                                 { return nil }
func (nobody) Take() []api.TaskStatus                                 { return nil }
func (nobody) Statuses(context.Context) []api.TaskStatus              { return nil }
func (nobody) Handle(context.Context, wire.Open, io.ReadWriter) error { return nil }
