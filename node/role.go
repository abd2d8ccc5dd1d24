package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/sleep"
)

// errRoleChanged ends a node's part: it takes up another.
var errRoleChanged = errors.New("the node's role has changed")

// serveRole plays the node's part, and the next one when its role changes. The
// certificate says which it is; to change it is to get another.
//
//	worker ──(told that it is a manager)──▶ manager: enters the database, serves
//	   ▲                                     │  ▲──(its address has changed)──┘
//	   └──(its database was removed or the others call it a worker, and they say worker)
func (n *process) serveRole(ctx context.Context) error {
	for {
		var err error
		if n.manages() {
			err = n.untilMoved(ctx, n.manage)
		} else {
			err = n.work(ctx)
		}
		switch {
		case errors.Is(err, errMoved):
		case errors.Is(err, errRoleChanged):
			n.log.Info("this node has another part now", zap.String("role", string(n.role())))
		default:
			return err
		}
	}
}

func (n *process) role() api.Role {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.identity == nil {
		return n.config.Role
	}
	return n.identity.Role
}

func (n *process) manages() bool { return n.role() == api.RoleManager }

// work is the node's part as a worker, beside its agent: it tells whoever asks the
// socket where to ask, until it is to become a manager.
func (n *process) work(ctx context.Context) error {
	if err := n.forgetDatabase(); err != nil {
		return err
	}
	managers := "one"
	if known := n.managers(); len(known) > 0 {
		managers = hostOf(known[0])
	}
	return n.refuseWhile(ctx, api.Invalidf("this node is a worker: run the command on a manager (%s), or from anywhere with `orc context`", managers).
		Because(api.ReasonUnwritten),
		func(ctx context.Context) error {
			for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
				var again <-chan time.Time
				if n.calledManager() {
					if err := n.mayManage(); err != nil {
						n.log.Warn("this node is to be a manager and cannot yet: trying again", zap.Duration("in", wait), zap.Error(err))
					} else if err := n.reconsider(ctx); !errors.Is(err, errRoleChanged) || n.manages() {
						return err
					}
					// Who said so may not have heard the latest, and will say it again.
					again = time.After(wait)
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-n.told:
				case <-again:
				}
			}
		})
}

// tellRole notes what the cluster calls this node. It is the last word that counts: a
// node that was demoted and promoted may hear of both while it is still a manager.
func (n *process) tellRole(role api.Role) {
	n.mu.Lock()
	n.called = role
	n.mu.Unlock()
	wake(n.told)
}

func (n *process) calledManager() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.called == api.RoleManager
}

// mayManage says what keeps this host from being a manager's: a port that another program
// has. It is asked before the node has the certificate of one, with which it could only
// start as such; the containers here need none of it.
func (n *process) mayManage() error {
	peers, _, err := n.peerAddresses()
	if err != nil {
		return err
	}
	for _, address := range []string{n.config.Listen, peers} {
		listener, err := server.Listen(address)
		if err == nil {
			err = listener.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reconsider is askRole for a node whose database is of no use any more, whatever its role.
// It asks until a manager is sure.
func (n *process) reconsider(ctx context.Context) error {
	return n.untilChanged(ctx, func() error {
		if err := n.takeRole(ctx, surePath); err != nil {
			return err
		}
		return n.forgetDatabase()
	})
}

// askRole asks the other managers for the certificate of the role that the node has now,
// which may be the same. The error is errRoleChanged when all is ready for it. A manager
// keeps its database then: it may be a voter that the others need, who are not sure of
// anything without it.
func (n *process) askRole(ctx context.Context) error {
	return n.untilChanged(ctx, func() error {
		err := n.takeRole(ctx, surePath)
		if err != nil && transient(err) {
			err = n.takeRole(ctx, renewPath)
		}
		return err
	})
}

// untilChanged tries again whatever is in the way, be it that no manager answers or that the
// disk is full: it may pass, and the agent beside goes on. Only a node that was removed
// ends.
func (n *process) untilChanged(ctx context.Context, change func() error) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := change()
		if err == nil {
			return errRoleChanged
		}
		if api.ReasonOf(err) == api.ReasonRemoved {
			return err
		}
		n.log.Warn("this node cannot take up the part that it has now: trying again", zap.Duration("in", wait), zap.Error(err))
		if err := sleep.For(ctx, wait); err != nil {
			return err
		}
	}
}

func (n *process) takeRole(ctx context.Context, path string) error {
	if err := n.renew(ctx, path, n.others(), true); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	next := *n.identity
	next.Role = api.Role(n.credentials.Peer().Role)
	if err := n.dir.save(&next); err != nil {
		return err
	}
	n.identity.Role = next.Role
	return nil
}

// forgetDatabase removes what a manager has and a worker must not have, or what is
// of no use any more. The database goes before its keys, and as a whole: one that is
// there without them would keep the node from starting ever again.
//
//	db, ring ──(rename)──▶ .db.gone, ring ──▶ .db.gone ──▶ nothing
func (n *process) forgetDatabase() error {
	if err := n.dir.putAway("db"); err != nil {
		return fmt.Errorf("remove the database that is no longer this node's: %w", err)
	}
	if err := n.forgetKeys(); err != nil {
		return err
	}
	for _, name := range []string{away("db"), "quorum"} {
		if err := os.RemoveAll(n.dir.file(name)); err != nil {
			return fmt.Errorf("remove the database that is no longer this node's: %w", err)
		}
	}
	return nil
}

func (n *process) closeDatabase() {
	if err := n.database.close(); err != nil {
		n.log.Warn("the database did not end well", zap.Error(err))
	}
	n.database = nil
}

// refuseWhile answers everybody with the same error while do runs: at the socket,
// and a manager at its port.
func (n *process) refuseWhile(ctx context.Context, refusal error, do func(context.Context) error) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { session.Refuse(w, refusal) })
	group, ctx := errgroup.WithContext(ctx)
	refusing, end := context.WithCancel(ctx)
	defer end()
	unix, err := n.openSocket()
	if err != nil {
		return err
	}
	refuse := func(err error) error {
		if refusing.Err() != nil {
			return nil
		}
		return err
	}
	group.Go(func() error { return refuse(server.ServeLocal(refusing, handler, unix, n.log)) })
	if n.manages() {
		tcp, err := n.openPort()
		if err != nil {
			end()
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			return refuse(server.ServeRemote(refusing, n.config.Limits, handler, tcp, n.credentials, n.log))
		})
	}
	group.Go(func() error {
		defer end()
		return do(ctx)
	})
	return group.Wait()
}

// openSocket is the socket that was opened first, or a new one at its place.
func (n *process) openSocket() (net.Listener, error) {
	if opened := n.unix; opened != nil {
		n.unix = nil
		return opened, nil
	}
	return server.ListenUnix(n.dir.file("orc.sock"))
}

// openPort is the API's port that was opened first, or a new one.
func (n *process) openPort() (net.Listener, error) {
	if opened := n.tcp; opened != nil {
		n.tcp = nil
		return opened, nil
	}
	return server.Listen(n.config.Listen)
}
