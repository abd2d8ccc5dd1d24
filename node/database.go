package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/seal"
)

// database is a manager's member and the store on it.
type database struct {
	ring   *seal.Ring
	member *member.Member
	store  *etcd.Store
	// trusts are the roots that the member trusts when it dials others: those that it
	// was started with.
	trusts []string
	// snapshots are made of it.
	snapshots *snapshots
}

// openDatabase starts the member and writes, into a new cluster's, what it begins
// with. Only then does the directory become this node's. peers are for a member
// that is new in an existing cluster.
func (n *process) openDatabase(ctx context.Context, peers map[string]string) error {
	if n.keys == nil {
		return api.Invalidf("%s is missing: without it the database cannot be read; restore a snapshot, or empty the data directory and join again", n.dir.file("ring"))
	}
	config, err := n.memberConfig()
	if err != nil {
		return err
	}
	if config.ForceNew = n.config.ForceNewCluster; config.ForceNew {
		if err := n.mayForce(ctx, n.keys); err != nil {
			return err
		}
	}
	config.Peers = peers
	db := &database{ring: n.keys, trusts: n.credentials.Trust().Roots}
	if db.member, err = member.Start(ctx, config); err != nil {
		return err
	}
	n.database = db
	err = answered(ctx, db.member, n.log, func() (err error) {
		db.store, err = etcd.Open(ctx, etcd.Config{Client: db.member.Client(), Seat: db.member, Sealer: n.keys, Logger: n.log.Named("store")})
		return err
	})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db.snapshots = n.snapshots()
	if n.new != nil {
		return n.establish(ctx)
	}
	if n.identity.Alone != nil || n.config.ForceNewCluster {
		if err := n.settle(ctx); err != nil {
			return err
		}
	}
	return answered(ctx, db.member, n.log, func() error { return n.introduce(ctx) })
}

// memberConfig is what the member is started with.
func (n *process) memberConfig() (member.Config, error) {
	listen, advertise, err := n.peerAddresses()
	return member.Config{
		Dir: n.dir.file("db"), Name: n.identity.ID, Cluster: n.identity.Cluster, Listen: listen, Advertise: advertise,
		TLS: member.TLS{
			CertFile: n.dir.pair.path(), KeyFile: n.dir.pair.path(), RootsFile: n.dir.file("roots.crt"),
			ServerName: ca.ServerName(ca.RoleManager),
			Inbound:    n.credentials.Server(), Verify: n.credentials.VerifyManager, Removed: n.banned, Agreed: n.agreed,
		},
		Limits: n.config.Limits, Logger: n.log.Named("db"),
	}, err
}

// settle makes the database of a manager that was left alone say so.
func (n *process) settle(ctx context.Context) error {
	if err := n.alone(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.config.ForceNewCluster = false // once is enough for this process
	if n.identity.Alone == nil {
		return nil
	}
	n.identity.Alone = nil
	return n.dir.save(n.identity)
}

// establish makes the new cluster real.
func (n *process) establish(ctx context.Context) error {
	revision, err := n.database.store.Commit(ctx, n.new.transaction())
	if err != nil {
		return fmt.Errorf("write the new cluster: %w", err)
	}
	if _, err := n.database.store.WaitFor(ctx, revision); err != nil {
		return err
	}
	if err := n.dir.save(n.identity); err != nil {
		return err
	}
	cluster := n.new.cluster
	n.new = nil // from now on it is opened as any other
	return n.tell(cluster)
}

// introduce corrects what the cluster knows of this manager, whose flags may be
// others than last time.
func (n *process) introduce(ctx context.Context) error {
	for {
		revision, err := n.database.store.Linearized(ctx)
		if err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		snapshot, err := n.database.store.WaitFor(ctx, revision)
		if err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		node := store.Get[api.Node](snapshot, n.identity.ID)
		if node == nil {
			return api.Errorf(api.CodeForbidden, "this node was removed from the cluster: empty %s to let it join again", n.dir.path).
				Because(api.ReasonRemoved)
		}
		address, _ := n.advertised()
		if node.API == address && node.Runs == n.runsContainers() {
			return nil
		}
		next := *node
		next.API, next.Runs, next.Updated = address, n.runsContainers(), now().UTC()
		tx := &store.Tx{}
		tx.Update(&next)
		if revision, err = n.database.store.Commit(ctx, tx); errors.Is(err, store.ErrConflict) {
			continue
		} else if err != nil {
			return fmt.Errorf("write this manager's address: %w", err)
		}
		_, err = n.database.store.WaitFor(ctx, revision)
		return err
	}
}

// peerAddresses are what the managers' databases talk over: the port above the
// API's.
func (n *process) peerAddresses() (listen, advertise string, err error) {
	host, text, err := net.SplitHostPort(n.config.Listen)
	if err != nil {
		return "", "", err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", "", err
	}
	address, _ := n.advertised()
	peer := strconv.Itoa(port + 1)
	return net.JoinHostPort(host, peer), net.JoinHostPort(hostOf(address), peer), nil
}

// unanswered is the pause before a database that does not answer is asked again.
const unanswered = time.Second

// answered asks something of the database, again until it is there for it: the managers
// may be electing a leader. It gives up when the member, whose Err tells why, has ended.
func answered(ctx context.Context, member interface {
	Done() <-chan struct{}
	Err() error
}, log *zap.Logger, ask func() error) error {
	for said := false; ; said = true {
		err := ask()
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		if !said {
			log.Warn("the managers' database is not there yet: asking again until it is", zap.Error(err))
		}
		select {
		case <-time.After(unanswered):
		case <-member.Done():
			return member.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watch returns when the member has ended by itself.
func (d *database) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.member.Done():
		return fmt.Errorf("the database has ended: %w", d.member.Err())
	}
}

// close ends the store and the member. Of none it is no error.
func (d *database) close() error {
	if d == nil {
		return nil
	}
	var errs []error
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(append(errs, d.member.Stop())...)
}
