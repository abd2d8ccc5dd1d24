package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/sleep"
)

// renewRetry is the pause after a renewal that failed. At 20 % of 90 days there
// is time for many.
const renewRetry = time.Minute

// renewLook is how often the clock is looked at: it may have been put right since,
// and a suspended host's timers stand still.
const renewLook = time.Minute

// renewLoop keeps the node's certificate valid: connections go on, new ones use
// the new one.
func (n *process) renewLoop(ctx context.Context) error {
	at := n.credentials.RenewAt()
	for {
		wait, due := renewIn(at, now())
		if err := sleep.For(ctx, wait); err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := n.renew(ctx, n.managers(), false); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.log.Warn("the certificate could not be renewed: trying again",
				zap.Time("ends", n.credentials.Leaf().NotAfter), zap.Error(err))
			at = now().Add(renewRetry)
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

// renew gets the next certificate from one of the managers. One for another role
// than the node plays is taken only when it is ready to change it.
func (n *process) renew(ctx context.Context, managers []string, anyRole bool) error {
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	var answer api.RenewAnswer
	if err := n.ask(ctx, managers, "/v1/renew", api.RenewRequest{Request: request}, &answer); err != nil {
		return err
	}
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
	if err := n.dir.saveCredentials(answer.Certificate, key, answer.Roots); err != nil {
		return err
	}
	return n.credentials.Replace(answer.Certificate, key, answer.Roots)
}

// ask asks the first of the managers that answers. One that says alone that this node
// was removed is passed over.
func (n *process) ask(ctx context.Context, managers []string, path string, question, answer any) error {
	err := error(&unreachable{errors.New("no manager's address is known")})
	for _, address := range managers {
		err = post(ctx, n.credentials.Client(), address, path, question, answer)
		if accusation(err) && !n.removed(ctx) {
			err = &unreachable{fmt.Errorf("%s: %w (others say that it was not)", address, err)}
		}
		if err == nil || !transient(err) {
			break
		}
	}
	return err
}

// trust puts the CA certificates in force that the cluster has now. n.mu is held.
func (n *process) trust(roots []byte) error {
	pair := n.dir.pair.text
	if _, err := ca.NewCredentials(pair, pair, roots); err != nil {
		return err
	}
	changed, err := n.dir.saveRoots(roots)
	if err != nil || !changed {
		return err
	}
	return n.credentials.Replace(pair, pair, roots)
}
