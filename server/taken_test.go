package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api/wire/upgrade"
)

// call opens a node's session at address, through dial.
func call(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error), address string, config *tls.Config) (up *tls.Conn, down io.Reader) {
	t.Helper()
	conn, err := dial(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	up = tls.Client(conn, config)
	request, err := http.NewRequest(http.MethodPost, "https://"+address+"/v1/session", nil)
	require.NoError(t, err)
	down, response, err := upgrade.Ask(up, request)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	return up, down
}

// taker records an answer, or what is said on the connection to who takes it.
type taker struct {
	*httptest.ResponseRecorder
	conn *saying
}

// answerTo lets a handler answer a request. One for a session says body on its
// connection, and then nothing more.
func answerTo(handler http.Handler, request *http.Request, body io.Reader) *httptest.ResponseRecorder {
	t := taker{httptest.NewRecorder(), &saying{says: body, ended: make(chan struct{})}}
	t.conn.hears = t.Body
	handler.ServeHTTP(t, request)
	if t.conn.taken {
		<-t.conn.ended
	}
	return t.ResponseRecorder
}

// Hijack implements http.Hijacker.
func (t taker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.conn.taken = true
	return t.conn, bufio.NewReadWriter(bufio.NewReader(bytes.NewReader(nil)), bufio.NewWriter(t.conn)), nil
}

// saying is a connection whose other end has said everything before it listens.
type saying struct {
	net.Conn
	says  io.Reader
	taken bool
	ended chan struct{}
	once  sync.Once

	mu    sync.Mutex
	hears *bytes.Buffer
}

func (s *saying) Read(data []byte) (int, error) { return s.says.Read(data) }

func (s *saying) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hears.Write(data)
}

func (s *saying) Close() error {
	s.once.Do(func() { close(s.ended) })
	return nil
}

func (s *saying) SetReadDeadline(time.Time) error  { return nil }
func (s *saying) SetWriteDeadline(time.Time) error { return nil }
