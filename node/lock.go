package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store/seal"
)

// A manager of a cluster that locks itself has, after a start, nothing that opens
// its disk: no database, no private key, so it can neither serve nor show who it
// is. All it does is to take the unlock key from root on its host.
//
//	(start) ──▶ locked ──(orc unlock)──▶ serving ──(orc lock)──▶ locked

// errLock ends a process that an operator locks; Run then begins anew.
var errLock = errors.New("locked by an operator")

// waitUnlocked waits for the unlock key, and opens the keys with it.
func (n *process) waitUnlocked(ctx context.Context) error {
	n.log.Warn("this manager is locked: run `orc unlock` on this host")
	ready(n.log) // or systemd would not wait for a person
	opened := make(chan struct{})
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	socket, err := n.openSocket()
	if err != nil {
		return err
	}
	n.lingering.Go(func() { ended <- n.serveLocked(serving, socket, opened) })
	select {
	case err := <-ended:
		return err
	case <-opened:
		n.log.Info("this manager is unlocked")
		// The socket's successor takes connections before this one is gone, which
		// takes as long as who asked it stays.
		return n.listenUnix()
	}
}

// serveLocked answers on the socket until ctx ends, and closes opened when the keys
// are open.
func (n *process) serveLocked(ctx context.Context, socket net.Listener, opened chan<- struct{}) error {
	var once sync.Mutex
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		session.Refuse(w, api.Errorf(api.CodeUnavailable, "this manager is locked: run `orc unlock` on its host"))
	})
	mux.HandleFunc("POST /v1/unlock", func(w http.ResponseWriter, r *http.Request) {
		once.Lock()
		defer once.Unlock()
		if n.keys == nil {
			if err := n.unlock(http.MaxBytesReader(w, r.Body, 1<<10)); err != nil {
				session.Refuse(w, err)
				return
			}
			close(opened)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return server.ServeLocal(ctx, mux, socket, n.log)
}

// unlock opens the keys with what a request has.
func (n *process) unlock(body io.Reader) error {
	var request api.UnlockRequest
	if err := json.NewDecoder(body).Decode(&request); err != nil {
		return api.Invalidf("the request is not right: want {\"key\": \"ORC-UNLOCK-1-…\"}")
	}
	wrap, err := seal.UnlockKey(request.Key)
	if err != nil {
		return err
	}
	ring, err := seal.Load(n.dir.file("ring"), wrap)
	if err != nil {
		n.log.Warn("the manager stays locked", zap.Error(err))
		return err
	}
	n.wrap, n.keys = wrap, ring
	return nil
}

// lock asks the process to lock itself, if its disk is locked.
func (n *process) lock() error {
	locked, err := seal.Locked(n.dir.file("ring"))
	if err != nil {
		return err
	}
	if !locked {
		return api.Conflictf("the cluster does not lock itself: `orc cluster update --autolock` first, and keep the unlock key")
	}
	select {
	case n.locking <- struct{}{}:
	default: // it is asked already
	}
	return nil
}

// watchLock ends when an operator locks the manager.
func (n *process) watchLock(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.locking:
		n.log.Warn("an operator locks this manager")
		return errLock
	}
}
