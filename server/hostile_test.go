package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// The addresses of a test: the whole of 127.0.0.0/8 is this host's.
const (
	hostileAddress = "127.0.0.1"
	agentAddress   = "127.0.0.2"
	clientAddress  = "127.0.0.3"
	joinerAddress  = "127.0.0.4"
)

// TestOneHostileClientStarvesNobody lets one address do all that it can without a
// certificate, while a node's session and a user go on, and others come.
func TestOneHostileClientStarvesNobody(t *testing.T) {
	c := newTarget(t)
	agent := c.connect("w1")
	user := c.clientFrom(clientAddress, c.certificate("ann", ca.RoleClient).Client())
	h := &hostile{t: t, address: c.address}
	t.Cleanup(h.end)

	for _, attack := range []struct {
		name string
		do   func()
	}{
		{"half-open connections", h.openHalf},
		{"handshakes that are none", h.talkGarbage},
		{"slow headers", h.dawdle},
		{"huge bodies", h.sendHuge},
		{"streams and resets", h.reset},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.do()
			// All that was opened before is still open.
			for range 20 {
				require.Equal(t, http.StatusOK, c.get(t, user, "/v1/cluster"))
			}
			agent.requireHeard(t)
			require.Equal(t, http.StatusOK, c.get(t, c.clientFrom(clientAddress, c.certificate("ann", ca.RoleClient).Client()), "/v1/nodes"), "a new connection")
		})
	}
	h.free()
	h.openHalf()
	status, answer := c.join(t, c.clientFrom(joinerAddress, c.stranger()), c.token)
	require.Equal(t, http.StatusOK, status, answer)
	late := c.connect("w2")
	late.requireHeard(t)
	agent.requireHeard(t)
}

func TestWrongTokensCost(t *testing.T) {
	c := newTarget(t)
	h := &hostile{t: t, address: c.address}
	t.Cleanup(h.end)
	h.guess()
	status, answer := c.join(t, c.clientFrom(joinerAddress, c.stranger()), c.token)
	require.Equal(t, http.StatusOK, status, answer)
}

func TestOneCertificateHasSoManyConnections(t *testing.T) {
	c := newTarget(t)
	config := c.certificate("w1", ca.RoleWorker).Client()
	var open []net.Conn
	t.Cleanup(func() {
		for _, conn := range open {
			conn.Close()
		}
	})
	refused := 0
	for range limit.Default().Connections + 10 {
		conn, err := tls.DialWithDialer(dialer(agentAddress), "tcp", c.address, config)
		require.NoError(t, err)
		open = append(open, conn)
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			refused++
			continue
		}
		// The server's settings come first of all, or the connection's end.
		framer := http2.NewFramer(conn, conn)
		if err := framer.WriteSettings(); err != nil {
			refused++
		} else if _, err := framer.ReadFrame(); err != nil {
			refused++
		}
	}
	require.Equal(t, 10, refused)
	require.Equal(t, http.StatusOK, c.get(t, c.clientFrom(agentAddress, c.certificate("ann", ca.RoleClient).Client()), "/v1/cluster"), "others are not meant")
}

func TestAWorkerThatAsksTooMuchIsRefused(t *testing.T) {
	c := newTarget(t)
	busy := c.clientFrom(agentAddress, c.certificate("w1", ca.RoleWorker).Client())
	for c.get(t, busy, "/v1/version") == http.StatusOK { // until it is refused
	}
	other := c.clientFrom(agentAddress, c.certificate("w2", ca.RoleWorker).Client())
	require.Equal(t, http.StatusOK, c.get(t, other, "/v1/version"))
}

// target is a manager with the whole API.
type target struct {
	*cluster
	token string // to join with, as a worker
}

func newTarget(t *testing.T) *target {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	key, err := authority.Key()
	require.NoError(t, err)
	c := &target{cluster: &cluster{t: t, authority: authority, store: memory.New(), socket: filepath.Join(t.TempDir(), "orc.sock")}}
	// One hostile client more than its share, and there would be room for nobody.
	c.limits = limit.Default()
	c.limits.AllStrangers = c.limits.Strangers + 64
	t.Cleanup(func() { c.store.Close() })
	object := &api.Cluster{
		Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Roots: authority.Roots(), CAKey: key, LastNumber: 3,
		Settings: api.Settings{NodeTimeout: api.Duration(patience)},
	}
	token, err := ca.AddToken(object, api.TokenRequest{Role: api.RoleWorker, Uses: 1}, time.Now())
	require.NoError(t, err)
	parsed, err := api.ParseToken(token.Token)
	require.NoError(t, err)
	c.token = parsed.Secret
	c.put(object)
	c.put(&api.Node{Meta: api.Meta{ID: "m1"}, Name: "m1", Role: api.RoleManager, API: "10.0.0.1:6720", Number: 1})
	for _, id := range []string{"w1", "w2"} {
		c.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Runs: true})
	}
	c.address, c.dispatcher = c.serveAPI("m1", c.socket, func(d *session.Dispatcher, others *managers.Managers) http.Handler {
		return rest.New(rest.Config{Store: c.store, Dispatcher: d, Managers: others, Node: "m1", Log: zap.NewNop()})
	})
	return c
}

// certificate of a node or a user.
func (c *target) certificate(id, role string) *ca.Credentials {
	c.t.Helper()
	if role != ca.RoleClient {
		return c.node(id, api.Role(role))
	}
	certificate, key, err := c.authority.IssueClient(id, time.Now())
	require.NoError(c.t, err)
	credentials, err := ca.NewCredentials(certificate, key, c.authority.Roots())
	require.NoError(c.t, err)
	return credentials
}

func (c *target) stranger() *tls.Config {
	c.t.Helper()
	config, err := ca.Joining(c.authority.Roots())
	require.NoError(c.t, err)
	return config
}

func dialer(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
}

func (c *target) clientFrom(address string, config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: dialer(address).DialContext, TLSHandshakeTimeout: patience}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (c *target) get(t *testing.T, client *http.Client, path string) int {
	t.Helper()
	response, err := client.Get("https://" + c.address + path)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

func (c *target) join(t *testing.T, client *http.Client, secret string) (int, string) {
	t.Helper()
	request, _, err := ca.NewRequest()
	require.NoError(t, err)
	body, err := json.Marshal(api.JoinRequest{Secret: secret, Request: request, Role: api.RoleWorker, Name: "newcomer", Runs: true})
	require.NoError(t, err)
	response, err := client.Post("https://"+c.address+"/v1/join", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// honest is a node's session.
type honest struct {
	up    *io.PipeWriter
	acted atomic.Int64 // messages from the manager
	ended chan error
	store store.Store
	node  string
}

func (c *target) connect(node string) *honest {
	c.t.Helper()
	body, up := io.Pipe()
	a := &honest{up: up, ended: make(chan error, 1), store: c.store, node: node}
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.address+"/v1/session", body)
	require.NoError(c.t, err)
	client := c.clientFrom(agentAddress, c.certificate(node, ca.RoleWorker).Client())
	client.Timeout = 0
	response, err := client.Do(request)
	require.NoError(c.t, err)
	go func() {
		for {
			var message wire.Down
			if err := wire.Read(response.Body, &message); err != nil {
				a.ended <- err
				return
			}
			a.acted.Add(1)
		}
	}()
	c.t.Cleanup(func() {
		cancel()
		up.Close()
		response.Body.Close()
		<-a.ended
	})
	require.NoError(c.t, wire.Write(up, &wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID(), Info: api.NodeInfo{Hostname: "before"}}}))
	return a
}

// requireHeard says something new and waits until it is in the database.
func (a *honest) requireHeard(t *testing.T) {
	t.Helper()
	word := api.NewID()
	require.NoError(t, wire.Write(a.up, &wire.Up{Info: &api.NodeInfo{Hostname: word}}))
	require.Eventually(t, func() bool {
		status := store.Get[api.NodeStatus](a.store.Snapshot(), a.node)
		return status != nil && status.Info.Hostname == word
	}, patience, time.Millisecond)
	require.Empty(t, a.ended)
	require.Positive(t, a.acted.Load())
}

// hostile is one address with bad intent and no certificate.
type hostile struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	open    []net.Conn
}

// hold keeps a connection open until the end.
func (h *hostile) hold(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, conn)
}

func (h *hostile) end() {
	for _, conn := range h.open {
		conn.Close()
	}
}

// dial returns nil where it is refused, which is what is hoped for.
func (h *hostile) dial() net.Conn {
	conn, err := dialer(hostileAddress).Dial("tcp", h.address)
	if err != nil {
		return nil
	}
	h.hold(conn)
	return conn
}

func (h *hostile) dialTLS(protocol string) *tls.Conn {
	conn := h.dial()
	if conn == nil {
		return nil
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if secure.HandshakeContext(h.t.Context()) != nil {
		return nil
	}
	return secure
}

// openHalf says nothing on two thousand connections.
func (h *hostile) openHalf() {
	for range 2000 {
		h.dial()
	}
}

func (h *hostile) talkGarbage() {
	garbage := []byte(strings.Repeat("\x16\x03\x01\xff\xff garbage", 200))
	for range 1000 {
		if conn := h.dial(); conn != nil {
			_, _ = conn.Write(garbage)
		}
	}
}

// dawdle never comes to the end of its headers.
func (h *hostile) dawdle() {
	h.free()
	for range 300 {
		if conn := h.dialTLS("http/1.1"); conn != nil {
			_, _ = io.WriteString(conn, "POST /v1/join HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		}
	}
}

// free closes what is open: else nothing more is let in, and nothing more tried.
func (h *hostile) free() {
	h.end()
	h.open = nil
}

func (h *hostile) sendHuge() {
	h.free()
	var sending sync.WaitGroup
	for range 20 {
		sending.Go(func() {
			conn := h.dialTLS("http/1.1")
			if conn == nil {
				return
			}
			_, _ = io.WriteString(conn, "POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
			zeros := make([]byte, 1<<16)
			for range 1526 { // a hundred million bytes, unless it is stopped
				if _, err := conn.Write(zeros); err != nil {
					return
				}
			}
			h.t.Error("a stranger sent 100 MB")
		})
	}
	sending.Wait()
}

// reset opens streams and takes them back at once (CVE-2023-44487), and others that
// it leaves open.
func (h *hostile) reset() {
	h.free()
	for range 20 {
		conn := h.dialTLS("h2")
		if conn == nil {
			continue
		}
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			continue
		}
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings()
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, field := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/v1/join"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}} {
			_ = encoder.WriteField(field) // to memory
		}
		fields := bytes.Clone(block.Bytes())
		for stream := uint32(1); stream < 4000; stream += 2 {
			err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields, EndHeaders: true})
			if err == nil && stream%8 != 1 {
				err = framer.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
			if err != nil {
				break // it was cut off
			}
		}
	}
}

// guess tries wrong tokens until it is not even heard any more.
func (h *hostile) guess() {
	began := time.Now()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DialContext: dialer(hostileAddress).DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	wrong, unheard := 0, 0
	for unheard < 500 {
		body, err := json.Marshal(api.JoinRequest{Secret: api.NewID(), Role: api.RoleManager, Name: "x"})
		require.NoError(h.t, err)
		response, err := client.Post("https://"+h.address+"/v1/join", "application/json", bytes.NewReader(body))
		if err != nil {
			unheard++
			continue
		}
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusUnauthorized:
			wrong++
		case http.StatusServiceUnavailable:
			unheard++
		default:
			h.t.Fatalf("a wrong token is answered with %s", response.Status)
		}
	}
	limits := limit.Default()
	most := limits.FailuresBurst + 1 + int(limits.Failures*time.Since(began).Seconds())
	require.Positive(h.t, wrong)
	require.LessOrEqual(h.t, wrong, most)
}
