package cli

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

const (
	// managerName is the name that every manager's certificate has: the addresses
	// that managers are reached at are not in their certificates.
	managerName = "manager.orc.internal"
	// tryAddress is for how long one manager of several may take to answer a
	// connection before the next one is tried.
	tryAddress = 2 * time.Second
)

// with makes an action of one that needs the API.
func (p *program) with(action func(*cli.Context, *client.Client) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		connection, err := p.connect(c)
		if err != nil {
			return err
		}
		defer connection.Close()
		connection.OnStale(p.stale())
		return action(c, connection)
	}
}

// stale warns once of answers that may be out of date.
func (p *program) stale() func(why string) {
	var once sync.Once
	return func(why string) { once.Do(func() { p.warn([]string{why}) }) }
}

// connect finds the manager to talk to: --host, else --context, else ORC_HOST,
// else ORC_CONTEXT, else the current context, else the one on this host. Who one
// is to a manager elsewhere, a context says.
func (p *program) connect(c *cli.Context) (*client.Client, error) {
	root := rootOf(c)
	host, name := root.String("host"), root.String("context")
	if host == "" && name == "" {
		host = p.Getenv("ORC_HOST")
	}
	if isSocket(host) {
		return client.New(client.Options{Host: host})
	}
	store := p.contexts()
	if name == "" {
		name = p.Getenv("ORC_CONTEXT")
	}
	if name == "" {
		var err error
		if name, err = store.current(); err != nil {
			return nil, err
		}
	}
	if name == "" || name == localContext {
		if host != "" {
			return nil, api.Errorf(api.CodeUnauthorized, "%s: a client certificate is needed: `orc context create` on a manager makes one", host)
		}
		return client.New(client.Options{Host: p.localHost()})
	}
	saved, err := store.load(name)
	if err != nil {
		return nil, err
	}
	config, err := saved.tls()
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "https://" + reachable(saved.Addresses)
	}
	return client.New(client.Options{Host: host, TLS: config})
}

// rootOf is the context of orc's own flags: `service create` has a --host too.
func rootOf(c *cli.Context) *cli.Context {
	lineage := c.Lineage()
	for i := len(lineage) - 1; i >= 0; i-- {
		if lineage[i].Command != nil && lineage[i].Command.Name == c.App.Name {
			return lineage[i]
		}
	}
	return c
}

func isSocket(host string) bool { return strings.HasPrefix(host, "unix:") }

// localHost is the socket of the manager on this host.
func (p *program) localHost() string {
	if dir := p.Getenv("ORC_DATA_DIR"); dir != "" {
		if absolute, err := filepath.Abs(dir); err == nil {
			return "unix://" + filepath.Join(absolute, "orc.sock")
		}
	}
	return client.DefaultHost
}

// reachable is the first of the addresses that takes a connection, or else the
// first, for its error to be told.
func reachable(addresses []string) string {
	if len(addresses) == 1 {
		return addresses[0]
	}
	for _, address := range addresses {
		if connection, err := net.DialTimeout("tcp", address, tryAddress); err == nil {
			connection.Close()
			return address
		}
	}
	return addresses[0]
}

// tls is how to show who one is, and to trust only the cluster's managers.
func (s *savedContext) tls() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(s.Certificate, s.Key)
	if err != nil {
		return nil, api.Invalidf("context %s is damaged: %w", s.Name, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.Roots) {
		return nil, api.Invalidf("context %s is damaged: no root certificate", s.Name)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: managerName}, nil
}
