package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
)

func TestMain(m *testing.M) {
	code := m.Run()
	// The connections between etcd's members end some time after the members.
	deadline := time.Now().Add(10 * time.Second)
	err := goleak.Find()
	for ; err != nil && time.Now().Before(deadline); err = goleak.Find() {
	}
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const patience = 2 * time.Minute // for a machine under load

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// freePort finds one whose successor is free too.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Below what the kernel gives connections, which are many here.
		address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 20000 + rand.IntN(12000)}
		first, err := net.ListenTCP("tcp", address)
		if err != nil {
			continue
		}
		second, err := net.ListenTCP("tcp", &net.TCPAddr{IP: address.IP, Port: address.Port + 1})
		first.Close()
		if err == nil {
			second.Close()
			return address.String()
		}
	}
	t.Fatal("no two free ports in a row")
	return ""
}

// running is a node's process in this one.
type running struct {
	t    *testing.T
	out  *output
	stop func() error // ends it and returns what Run returned
	done chan struct{}
	err  error
}

func start(t *testing.T, config Config) *running {
	config.Private = true
	return startLogging(t, config, zap.NewNop())
}

func startLogging(t *testing.T, config Config, log *zap.Logger) *running {
	t.Helper()
	r := &running{t: t, out: &output{}, done: make(chan struct{})}
	config.Out = r.out
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.err = Run(ctx, config, log)
	}()
	r.stop = func() error {
		cancel()
		select {
		case <-r.done:
		case <-time.After(patience):
			t.Error("the node does not end")
		}
		return r.err
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// waitReady waits until the node's socket answers.
func (r *running) waitReady(dir string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		select {
		case <-r.done:
			r.t.Errorf("the node ended: %v", r.err)
			return true
		default:
		}
		status, _ := askSocket(r.t, dir, "/v1/nothing")
		return status == http.StatusNotFound || status == http.StatusBadRequest
	}, patience, 20*time.Millisecond)
}

func askSocket(t *testing.T, dir, path string) (int, api.Error) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "orc.sock"))
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://orc" + path)
	if err != nil {
		return 0, api.Error{}
	}
	defer response.Body.Close()
	var refusal api.Error
	_ = json.NewDecoder(response.Body).Decode(&refusal) // not all answers are errors
	return response.StatusCode, refusal
}

func managerConfig(dir, address string) Config {
	return Config{Role: api.RoleManager, DataDir: dir, Listen: address, Name: "m1", NoAgent: true, Bootstrap: true}
}

func TestBootstrapAndResume(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	first := start(t, managerConfig(dir, address))
	first.waitReady(dir)
	require.Contains(t, first.out.String(), "orc agent --join "+address+" --token ORC-1-")
	info, err := os.Stat(filepath.Join(dir, "orc.sock"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(dir, "node.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	second := start(t, managerConfig(dir, freePort(t)))
	<-second.done
	require.ErrorContains(t, second.err, "another orc process")
	taken := t.TempDir()
	third := start(t, managerConfig(taken, address))
	<-third.done
	require.ErrorContains(t, third.err, "is taken")
	requireNobody(t, taken)

	require.NoError(t, first.stop())
	require.NoFileExists(t, filepath.Join(dir, "orc.sock"))
	before, err := os.ReadFile(filepath.Join(dir, "node.json"))
	require.NoError(t, err)
	for _, bootstrap := range []bool{true, false} {
		config := managerConfig(dir, address)
		config.Bootstrap = bootstrap
		again := start(t, config)
		again.waitReady(dir)
		require.NoError(t, again.stop())
		require.Empty(t, again.out.String(), "it is a node already")
	}
	after, err := os.ReadFile(filepath.Join(dir, "node.json"))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

// requireNobody checks that a failed start left no node, nor half of one.
func requireNobody(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, each := range entries {
		require.Equal(t, "lock", each.Name())
	}
}

func TestAPeerPortTakenLeavesNothingBehind(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	number, err := net.LookupPort("tcp", port)
	require.NoError(t, err)
	taken, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(host), Port: number + 1})
	require.NoError(t, err)
	defer taken.Close()
	n := start(t, managerConfig(dir, address))
	<-n.done
	require.Error(t, n.err)
	require.NotContains(t, n.err.Error(), "\n")
	require.Contains(t, n.err.Error(), taken.Addr().String())
	requireNobody(t, dir)
}

func TestDataDirectoriesThatDoNotFit(t *testing.T) {
	write := func(t *testing.T, identity string) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "node.json"), []byte(identity), 0o600))
		return dir
	}
	for name, c := range map[string]struct{ identity, want string }{
		"a newer version": {`{"format":99,"id":"a","cluster":"b","role":"manager"}`, "newer orc"},
		"no credentials":  {`{"format":1,"id":"a","cluster":"b","role":"worker"}`, "credentials"},
		"damaged":         {`{"format":1`, "damaged"},
		"empty":           {`{}`, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, c.identity)
			err := Run(t.Context(), managerConfig(dir, "127.0.0.1:1"), zap.NewNop())
			require.ErrorContains(t, err, c.want)
			data, err := os.ReadFile(filepath.Join(dir, "node.json"))
			require.NoError(t, err)
			require.Equal(t, c.identity, string(data), "it is as it was")
		})
	}
	t.Run("nobody's", func(t *testing.T) {
		dir := t.TempDir()
		config := managerConfig(dir, "127.0.0.1:1")
		config.Bootstrap = false
		require.ErrorContains(t, Run(t.Context(), config, zap.NewNop()), "--bootstrap")
		requireNobody(t, dir)
	})
}

func TestConfigurations(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no role":                {Config{}, "role"},
		"a bad name":             {Config{Role: api.RoleWorker, Name: "a b"}, "name"},
		"a bad listen address":   {Config{Role: api.RoleManager, Listen: "nowhere:6720"}, "--listen"},
		"a bad port":             {Config{Role: api.RoleManager, Listen: "0.0.0.0:65535"}, "--listen"},
		"a wildcard advertised":  {Config{Role: api.RoleManager, Advertise: "0.0.0.0"}, "--advertise"},
		"a name advertised":      {Config{Role: api.RoleManager, Advertise: "host"}, "--advertise"},
		"a bad manager":          {Config{Role: api.RoleWorker, Join: []string{"http://x"}}, "--join"},
		"a bad token":            {Config{Role: api.RoleWorker, Join: []string{"x"}, Token: "hello"}, "join token"},
		"bootstrap of a worker":  {Config{Role: api.RoleWorker, Bootstrap: true}, "server --bootstrap"},
		"bootstrap and join":     {Config{Role: api.RoleManager, Bootstrap: true, Join: []string{"x"}}, "choose"},
		"a worker with no agent": {Config{Role: api.RoleWorker, NoAgent: true}, "--no-agent"},
		"a pool of nothing":      {Config{Role: api.RoleManager, Bootstrap: true, AddressPools: []string{"10.0.0.1"}}, "--default-addr-pool"},
		"a pool for one subnet":  {Config{Role: api.RoleManager, Bootstrap: true, AddressPools: []string{"10.9.0.0/20"}}, "no room for two subnets"},
		"pools that overlap":     {Config{Role: api.RoleManager, Bootstrap: true, AddressPools: []string{"10.0.0.0/8", "10.9.0.0/16"}}, "overlaps"},
		"a mask length":          {Config{Role: api.RoleManager, Bootstrap: true, SubnetBits: 31}, "use /8 to /29"},
		"a data path port":       {Config{Role: api.RoleManager, Bootstrap: true, DataPort: 53}, "--data-path-port"},
		"pools of a joiner":      {Config{Role: api.RoleManager, Join: []string{"x"}, AddressPools: []string{"10.0.0.0/8"}}, "has its own already"},
		"a log level":            {Config{Role: api.RoleWorker, LogLevel: "loud"}, "--log-level"},
		"a disk too full":        {Config{Role: api.RoleWorker, DiskFull: 100}, "--disk-full"},
		"a negative resource":    {Config{Role: api.RoleWorker, Generic: map[string]int64{"gpu": -1}}, "--generic-resource gpu"},
		"a label":                {Config{Role: api.RoleWorker, Labels: map[string]string{"": "x"}}, "--label"},
	} {
		err := c.config.Validate()
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), name)
		require.False(t, strings.Contains(err.Error(), "\n"), name)
	}
	config := Config{Role: api.RoleManager, Advertise: "10.1.2.3", Join: []string{"m1", "[2001:db8::1]", "10.0.0.1:99"}}
	require.NoError(t, config.Validate())
	require.Equal(t, "10.1.2.3:6720", config.Advertise)
	require.Equal(t, []string{"m1:6720", "[2001:db8::1]:6720", "10.0.0.1:99"}, config.Join)
	require.Equal(t, DefaultListen, config.Listen)
	config = Config{Role: api.RoleManager}
	require.NoError(t, config.Validate())
	require.NotEmpty(t, config.Advertise)
}
