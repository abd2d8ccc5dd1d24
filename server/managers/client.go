package managers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

const (
	dialTimeout = 2 * time.Second
	// pingAfter is how long a connection may be silent before it is asked whether
	// it lives, and pingTimeout how long that may take.
	pingAfter   = 2 * time.Second
	pingTimeout = 2 * time.Second
	maxAnswer   = 64 << 10 // bytes
)

// transport speaks HTTP/2 to other managers, with the certificate in force: those that
// trust its root alone refuse what comes over a connection of before.
type transport struct {
	http.Transport
	credentials *ca.Credentials
	shown       atomic.Pointer[x509.Certificate]
}

// newTransport makes a transport. closed is told of the address whose host or process has
// closed a connection.
func newTransport(credentials *ca.Credentials, closed func(address string)) *transport {
	return &transport{credentials: credentials, Transport: http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			secured := tls.Client(&line{conn, func() { closed(address) }}, credentials.Client())
			if err := secured.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			return secured, nil
		},
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}}
}

// line is a connection that tells when the other end closes it.
type line struct {
	net.Conn
	closed func()
}

// Read implements net.Conn.
func (l *line) Read(data []byte) (int, error) {
	n, err := l.Conn.Read(data)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		l.closed()
	}
	return n, err
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if leaf := t.credentials.Leaf(); t.shown.Swap(leaf) != leaf {
		t.CloseIdleConnections()
	}
	return t.Transport.RoundTrip(request)
}

// get reads a small answer (JSON). It asks again when a connection that was in use
// turns out to be one of before, which the other end closes.
func (m *Managers) get(ctx context.Context, address, path string, answer any) error {
	err := m.getOnce(ctx, address, path, answer)
	if api.CodeOf(err) == api.CodeUnauthorized {
		err = m.getOnce(ctx, address, path, answer)
	}
	return err
}

func (m *Managers) getOnce(ctx context.Context, address, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+path, nil)
	if err != nil {
		return err
	}
	response, err := m.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read the manager's answer: %w", err)
	}
	return nil
}

// refusal is the error that an answer carries.
func refusal(response *http.Response) error {
	told := &api.Error{}
	err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(told)
	if err != nil || told.Message == "" {
		return errors.New("the manager answers " + response.Status)
	}
	return told
}
