// Package client is the typed client of a manager's API: one method per route,
// answers as api's structs, errors as *api.Error. It knows nothing of contexts
// on disk and prints nothing.
package client

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"

	"github.com/orc-project/orc/api"
)

// DefaultHost is where a manager on the same host listens.
const DefaultHost = "unix:///var/lib/orc/orc.sock"

// Options say which manager to talk to.
type Options struct {
	// Host is unix:///path/to/orc.sock or https://host:port; empty is DefaultHost.
	Host string
	// TLS is needed for https: the client's certificate and the cluster's roots.
	TLS *tls.Config
}

// Client talks to one manager over HTTP/2. It is safe for use by several
// goroutines.
type Client struct {
	host string // as the user named it, for errors
	base string // http://orc or https://host:port
	http *http.Client
	// stale, which may be nil, is told why an answer may be out of date.
	stale func(why string)
}

// New makes a Client. It connects at the first request.
func New(options Options) (*Client, error) {
	host := options.Host
	if host == "" {
		host = DefaultHost
	}
	target, err := url.Parse(host)
	switch {
	case err == nil && target.Scheme == "unix" && strings.HasPrefix(target.Path, "/"):
		return &Client{host: host, base: "http://orc", http: &http.Client{Transport: overSocket(target.Path)}}, nil
	case err == nil && target.Scheme == "https" && target.Host != "" && strings.Trim(target.Path, "/") == "":
		return &Client{host: host, base: "https://" + target.Host, http: &http.Client{Transport: overTLS(options.TLS)}}, nil
	}
	return nil, api.Invalidf("host %q: want unix:///path/to/orc.sock or https://host:port", host)
}

// Host is where the client connects to, as it was given.
func (c *Client) Host() string { return c.host }

// OnStale sets who is told when a manager that is cut off from the others answers
// with what it knew: why that is so. It is to be called before the first request.
func (c *Client) OnStale(tell func(why string)) { c.stale = tell }

// Close gives idle connections up.
func (c *Client) Close() { c.http.CloseIdleConnections() }
