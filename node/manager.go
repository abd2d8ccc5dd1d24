package node

import (
	"context"
	"errors"
	"net"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

// manage is the node's part as a manager: it opens the database, after entering
// the cluster's if it has none, and serves until ctx ends or the database is no
// longer one of the cluster's.
func (n *process) manage(ctx context.Context) error {
	defer n.closeDatabase()
	if n.database == nil { // else the cluster was founded with it
		starting := api.Errorf(api.CodeUnavailable, "this manager is starting: it waits for most of the others").Because(api.ReasonUnwritten)
		err := n.refuseWhile(ctx, starting, n.joinDatabase)
		if err != nil {
			return n.unlessOut(ctx, err)
		}
	}
	return n.unlessOut(ctx, n.serveManager(ctx))
}

// unlessOut finds out what the node is when its database, or the others, say that it is
// no manager; else it returns the error that ended its part.
func (n *process) unlessOut(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, store.ErrRemoved):
		n.closeDatabase()
		return n.reconsider(ctx)
	case errors.Is(err, errDemoted):
		n.closeDatabase()
		n.log.Warn("asking what this node is", zap.Error(err))
		return n.askRole(ctx)
	}
	return err
}

// serveManager runs the manager on its database.
func (n *process) serveManager(ctx context.Context) error {
	unix, err := n.openSocket()
	if err != nil {
		return err
	}
	tcp, err := n.openPort()
	if err != nil {
		return errors.Join(err, unix.Close())
	}
	manager := server.New(server.Config{
		Store: n.database.store, Node: n.identity.ID, Credentials: n.credentials, TCP: tcp, Unix: unix,
		Members: n.database.member, Keys: n.database.ring.Marshal, API: n.api, Limits: n.config.Limits,
	}, n.log)
	address, _ := n.advertised()
	n.log.Info("this node manages the cluster", zap.String("address", address))
	if changes := n.config.Limits.Changes(); len(changes) > 0 {
		n.log.Info("limits are not the usual ones", zap.Strings("limits", changes))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return manager.Run(ctx) })
	group.Go(func() error { return n.database.watch(ctx) })
	group.Go(func() error { return n.database.snapshots.run(ctx) })
	group.Go(func() error { return n.followManagers(ctx) })
	group.Go(func() error { return n.watchKeys(ctx) })
	group.Go(func() error { return n.watchTrust(ctx) })
	group.Go(func() error { return n.acknowledgeTrust(ctx) })
	group.Go(func() error { return n.watchRemoved(ctx) })
	return group.Wait()
}

// followManagers remembers where the other managers are, for a start when this
// node's own database is of no help.
func (n *process) followManagers(ctx context.Context) error {
	watcher := n.database.store.Watch()
	defer watcher.Close()
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		n.remember(session.Managers(update.Snapshot))
	}
}

// remember keeps the managers' addresses.
func (n *process) remember(addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(addresses) == 0 || slices.Equal(addresses, n.identity.Managers) {
		return
	}
	n.identity.Managers = addresses
	if err := n.dir.save(n.identity); err != nil {
		n.log.Warn("the managers' addresses cannot be kept for the next start", zap.Error(err))
	}
}

// managers are the addresses to reach a manager at, the best first.
func (n *process) managers() []string {
	if !n.manages() {
		return n.others()
	}
	return append([]string{n.ownAddress()}, n.others()...)
}

// others are the other managers' addresses.
func (n *process) others() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []string
	for _, each := range slices.Concat(n.identity.Managers, n.config.Join) {
		if each != n.config.Advertise && !slices.Contains(found, each) {
			found = append(found, each)
		}
	}
	return found
}

// ownAddress is where this host reaches its own manager.
func (n *process) ownAddress() string {
	host, port, err := net.SplitHostPort(n.config.Listen)
	if err != nil {
		address, _ := n.advertised()
		return address
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
