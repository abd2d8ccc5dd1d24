package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/sleep"
)

// renewRetry is the pause after a renewal that failed. At 20 % of 90 days there
// is time for many.
const renewRetry = time.Minute

// reissueRetry is that pause while the cluster waits for it, for its root is another.
const reissueRetry = 2 * time.Second

// A certificate is renewed at renewPath also by a manager without a quorum, which tells what
// the node was when it had one; at surePath only by one that is sure of the role.
const renewPath, surePath = "/v1/renew", "/v1/renew?sure=1"

// renewLook is how often the clock is looked at: it may have been put right since,
// and a suspended host's timers stand still.
const renewLook = time.Minute

// renewLoop keeps the node's certificate valid, and of the root that issues:
// connections go on, new ones use the new one.
func (n *process) renewLoop(ctx context.Context) error {
	at := n.credentials.RenewAt()
	for {
		wait, due := renewIn(at, now())
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case within := <-n.outdated:
			due = sleep.For(ctx, rand.N(within+1)) == nil && n.isOutdated()
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := n.trustAgain(); err != nil {
			n.log.Warn("the cluster's CA certificates cannot be taken over: trying again", zap.Error(err))
		}
		if !due {
			continue
		}
		if err := n.renew(ctx, renewPath, n.managers(), false); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.log.Warn("the certificate could not be renewed: trying again",
				zap.Time("ends", n.credentials.Leaf().NotAfter), zap.Error(err))
			at = now().Add(n.renewPause())
			continue
		}
		at = n.credentials.RenewAt()
		n.log.Info("renewed the certificate", zap.Time("ends", n.credentials.Leaf().NotAfter))
	}
}

// renewIn says how long to wait, and whether a renewal that is due at a time is due
// then, or the clock to be looked at again.
func renewIn(at, now time.Time) (wait time.Duration, due bool) {
	left := at.Sub(now)
	return max(min(left, renewLook), time.Second), left <= renewLook
}

// isOutdated says whether the certificate is of a root that issues no more.
func (n *process) isOutdated() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.issuedAsTold(n.credentials)
}

// renewPause is the time until a renewal that failed is tried again.
func (n *process) renewPause() time.Duration {
	if n.isOutdated() {
		return reissueRetry
	}
	return renewRetry
}

// renew gets the next certificate from one of the managers. One for another role
// than the node plays is taken only when it is ready to change it.
func (n *process) renew(ctx context.Context, path string, managers []string, anyRole bool) error {
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	err = &unreachable{errors.New("no manager's address is known")}
	for i := range managers {
		var answer api.RenewAnswer
		if err = n.ask(ctx, managers[i:i+1], path, api.RenewRequest{Request: request}, &answer); err != nil {
			if transient(err) {
				continue
			}
			return err
		}
		if err = n.take(answer, key, anyRole); err == nil {
			return nil
		}
	}
	return err
}

// take puts a renewed certificate in force, with the roots that the cluster has told of
// or, until it has, those that are trusted already, if it is of one of those: what the
// roots are, the manager that answered may know late.
func (n *process) take(answer api.RenewAnswer, key []byte, anyRole bool) error {
	next, err := ca.NewCredentials(answer.Certificate, key, answer.Roots)
	if err != nil {
		return err
	}
	if role := api.Role(next.Peer().Role); !anyRole && role != n.role() {
		n.tellRole(role)
		return fmt.Errorf("this node is becoming a %s", role)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	roots := n.roots
	if roots == nil {
		if roots, err = n.dir.roots(); err != nil {
			return err
		}
	}
	if known, err := ca.NewCredentials(answer.Certificate, key, roots); err == nil {
		next = known
	} else {
		roots = answer.Roots
	}
	if !n.issuedAsTold(next) {
		return &unreachable{errors.New("the manager does not know yet of the CA's root that issues now")}
	}
	return n.putInForce(slices.Concat(answer.Certificate, key), roots)
}

// ask asks the first of the managers that answers. One that says alone that this node
// was removed is passed over.
func (n *process) ask(ctx context.Context, managers []string, path string, question, answer any) error {
	err := error(&unreachable{errors.New("no manager's address is known")})
	for _, address := range managers {
		err = post(ctx, n.credentials.Client(), address, path, question, answer)
		if api.ReasonOf(err) == api.ReasonRemoved && !n.removed(ctx) {
			err = &unreachable{fmt.Errorf("%s: %w (others say that it was not)", address, err)}
		}
		if err == nil || !transient(err) {
			break
		}
	}
	return err
}
