package node

import (
	"context"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// renewRetry is the pause after a renewal that failed. At 20 % of 90 days there
// is time for many.
const renewRetry = time.Minute

// renewLoop keeps the node's certificate valid: connections go on, new ones use
// the new one.
func (n *process) renewLoop(ctx context.Context) error {
	at := n.credentials.RenewAt()
	for {
		if err := pause(ctx, max(time.Until(at), time.Second)); err != nil {
			return err
		}
		if err := n.renew(ctx); err != nil {
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

func (n *process) renew(ctx context.Context) (err error) {
	request, key, err := ca.NewRequest()
	if err != nil {
		return err
	}
	var answer api.RenewAnswer
	for _, address := range n.managers() {
		if err = post(ctx, n.credentials.Client(), address, "/v1/renew", api.RenewRequest{Request: request}, &answer); err == nil || !transient(err) {
			break
		}
	}
	if err != nil {
		return err
	}
	if _, err := ca.NewCredentials(answer.Certificate, key, answer.Roots); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.dir.saveCredentials(answer.Certificate, key, answer.Roots); err != nil {
		return err
	}
	return n.credentials.Replace(answer.Certificate, key, answer.Roots)
}

// trust puts the CA certificates in force that the cluster has now. n.mu is held.
func (n *process) trust(roots []byte) error {
	pair, err := os.ReadFile(n.dir.file("node.pem"))
	if err != nil {
		return err
	}
	if _, err := ca.NewCredentials(pair, pair, roots); err != nil {
		return err
	}
	changed, err := n.dir.saveRoots(roots)
	if err != nil || !changed {
		return err
	}
	return n.credentials.Replace(pair, pair, roots)
}
