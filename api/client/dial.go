package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/orc-project/orc/api"
)

const (
	dialTimeout = 10 * time.Second
	// pingAfter is how long a connection may be silent before it is asked whether
	// it lives, and pingTimeout how long that may take.
	pingAfter   = 15 * time.Second
	pingTimeout = 15 * time.Second
)

// overSocket speaks HTTP/2 without TLS (RFC 9113, section 3.3) to a unix socket:
// HTTP/1.1 could not send and receive at once.
func overSocket(path string) *http.Transport {
	transport := newTransport()
	transport.Protocols.SetUnencryptedHTTP2(true)
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		return dialer.DialContext(ctx, "unix", path)
	}
	return transport
}

func overTLS(config *tls.Config) *http.Transport {
	transport := newTransport()
	transport.Protocols.SetHTTP2(true)
	transport.TLSClientConfig = config
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	transport.TLSHandshakeTimeout = dialTimeout
	transport.Proxy = http.ProxyFromEnvironment
	return transport
}

func newTransport() *http.Transport {
	return &http.Transport{
		Protocols:          new(http.Protocols),
		DisableCompression: true,
		HTTP2:              &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// explain turns a failed round trip into an error for the user.
func (c *Client) explain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	path, local := strings.CutPrefix(c.host, "unix://")
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var wrongName x509.HostnameError
	switch {
	case local && errors.Is(err, fs.ErrNotExist):
		return api.Errorf(api.CodeUnavailable,
			"no orc manager runs here: there is no %s; start one with `orc server`, or name another with --host or `orc context use`", path)
	case local && errors.Is(err, fs.ErrPermission):
		return api.Errorf(api.CodeForbidden, "may not open %s: only root may use the manager's socket; run it with sudo, or use a context", path)
	case local && errors.Is(err, syscall.ECONNREFUSED):
		return api.Errorf(api.CodeUnavailable, "no orc manager runs here: nothing listens on %s; start it with `orc server`", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return api.Errorf(api.CodeUnavailable, "no orc manager listens on %s: connection refused", c.host)
	case errors.As(err, &unknown):
		return api.Errorf(api.CodeUnauthorized, "%s is no manager of this cluster: its certificate is of another CA", c.host)
	case errors.As(err, &wrongName):
		return api.Errorf(api.CodeUnauthorized, "%s is no manager of this cluster: %w", c.host, err)
	case errors.As(err, &invalid):
		return api.Errorf(api.CodeUnauthorized, "the certificate of %s is not valid: %w; is the clock right?", c.host, err)
	case strings.Contains(err.Error(), "remote error: tls:"):
		return api.Errorf(api.CodeUnauthorized, "%s refused the client certificate: %w; `orc context create` on a manager makes a new one", c.host, err)
	}
	return api.Errorf(api.CodeUnavailable, "cannot reach the manager at %s: %w", c.host, err)
}
