package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/session"
)

// TestOneHostileClientStarvesNobody lets one address do all that it can without a
// certificate, while a node's session and a user go on, and others come.
func TestOneHostileClientStarvesNobody(t *testing.T) {
	c := newTarget(t)
	agent := c.connect("w1")
	user := c.clientFrom(clientAddress, c.certificate("ann", ca.RoleClient).Client())
	h := &hostile{t: t, from: hostileAddress, address: c.address}
	t.Cleanup(h.end)

	for _, attack := range []struct {
		name string
		do   func()
	}{
		{"half-open connections", h.openHalf},
		{"half-open connections from many addresses", h.openEverywhere},
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
	h := &hostile{t: t, from: hostileAddress, address: c.address}
	t.Cleanup(h.end)
	h.guess()
	status, answer := c.join(t, c.clientFrom(joinerAddress, c.stranger()), c.token)
	require.Equal(t, http.StatusOK, status, answer)
}

func TestAWorkerThatAsksTooMuchIsRefused(t *testing.T) {
	c := newTarget(t)
	busy := c.clientFrom(agentAddress, c.certificate("w1", ca.RoleWorker).Client())
	for c.get(t, busy, "/v1/version") == http.StatusOK { // until it is refused
	}
	other := c.clientFrom(agentAddress, c.certificate("w2", ca.RoleWorker).Client())
	require.Equal(t, http.StatusOK, c.get(t, other, "/v1/version"))
}

// TestAWorkersRequestsAreSmallAndSoonThere opens as many as it may, and comes to the end of
// none.
func TestAWorkersRequestsAreSmallAndSoonThere(t *testing.T) {
	c := newCluster(t)
	c.limits = limit.Default()
	c.limits.BodyTimeout = 300 * time.Millisecond
	c.put(&api.Node{Meta: api.Meta{ID: "w1"}, Name: "w1", Role: api.RoleWorker, Runs: true})
	answered := make(chan error, 1)
	c.address, _ = c.serveAPI("m2", filepath.Join(t.TempDir(), "orc.sock"), func(*session.Dispatcher, *managers.Managers) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			answered <- err
		})
	})
	for _, protocol := range []string{"http/1.1", "h2"} {
		config := c.node("w1", api.RoleWorker).Client()
		config.NextProtos = []string{protocol}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2"}
		defer transport.CloseIdleConnections()
		post := func(body io.Reader) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.address+"/v1/renew", body)
			require.NoError(t, err)
			if response, err := transport.RoundTrip(request); err == nil {
				response.Body.Close()
			}
		}
		said, says := io.Pipe()
		go post(said)
		_, err := io.WriteString(says, "{")
		require.NoError(t, err)
		select {
		case err := <-answered:
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, protocol)
		case <-time.After(patience):
			t.Error(protocol, "its end is waited for")
		}
		says.Close()
		go post(bytes.NewReader(make([]byte, limit.Default().BodyLimit+1)))
		var tooLarge *http.MaxBytesError
		require.ErrorAs(t, <-answered, &tooLarge, protocol)
	}
}

func TestStreamsThatWereAskedForCostAWorkerNothing(t *testing.T) {
	c := newCluster(t)
	c.limits = limit.Default()
	c.limits.Costs, c.limits.CostsBurst = 0.001, 20
	c.address, c.dispatcher = c.serve("m2", filepath.Join(t.TempDir(), "orc.sock"))
	w := c.work("w1", echo)
	guess := func() int {
		response, err := w.answer(api.NewID(), nil)
		require.NoError(t, err)
		defer response.Body.Close()
		return response.StatusCode
	}
	require.Equal(t, http.StatusNotFound, guess())
	for guess() == http.StatusNotFound { // until it has nothing left
	}
	require.Equal(t, http.StatusServiceUnavailable, guess())
	var open []io.Closer
	for range 5 * c.limits.CostsBurst {
		stream, err := c.dispatcher.Open(t.Context(), "w1", wire.Open{Do: &wire.DoRequest{}})
		require.NoError(t, err)
		open = append(open, stream)
	}
	requireEcho(t, c.dispatcher)
	for _, stream := range open {
		require.NoError(t, stream.Close())
	}
}

// hostile is somebody with bad intent and no certificate.
type hostile struct {
	t       *testing.T
	from    string // its own address
	address string // the manager's
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
	conn, err := dialer(h.from).Dial("tcp", h.address)
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

// openEverywhere does so from several addresses, which are more than all strangers
// have room for.
func (h *hostile) openEverywhere() {
	h.free()
	defer func(from string) { h.from = from }(h.from)
	for i := range 4 {
		h.from = fmt.Sprintf("127.0.1.%d", i)
		for range limit.Default().Strangers {
			h.dial()
		}
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
