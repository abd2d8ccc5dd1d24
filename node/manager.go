package node

import (
	"context"
	"net"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/session"
)

// serveManager runs the manager on its database.
func (n *process) serveManager(ctx context.Context) error {
	manager := server.New(server.Config{
		Store: n.database.store, Node: n.identity.ID, Credentials: n.credentials, TCP: n.tcp, Unix: n.unix,
		API: n.api,
	}, n.log)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return manager.Run(ctx) })
	group.Go(func() error { return n.database.watch(ctx) })
	group.Go(func() error { return n.database.snapshots.run(ctx) })
	return group.Wait()
}

// serveWorkerSocket tells whoever asks a worker's socket where to ask.
func (n *process) serveWorkerSocket(ctx context.Context) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		session.Refuse(w, api.Invalidf("this node is a worker: run the command on a manager (%s), or from anywhere with `orc context`", hostOf(n.managers()[0])))
	})
	return server.ServeLocal(ctx, handler, n.unix, n.log)
}

// managers are the addresses to reach a manager at, the best first.
func (n *process) managers() []string {
	if !n.manages() {
		n.mu.Lock()
		defer n.mu.Unlock()
		// Those of the command line are tried too: a cluster that was restored is
		// somewhere else.
		known := slices.Clone(n.identity.Managers)
		for _, each := range n.config.Join {
			if !slices.Contains(known, each) {
				known = append(known, each)
			}
		}
		return known
	}
	address := n.tcp.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return []string{n.config.Advertise}
	}
	return []string{net.JoinHostPort(host, port)}
}
