package node

import (
	"cmp"
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/seal"
)

// joinDatabase opens this manager's database: the one it has, or a new one that
// the others let in. An attempt that fails before it is one of theirs begins anew.
func (n *process) joinDatabase(ctx context.Context) error {
	if member.Exists(n.dir.file("db")) {
		return n.unlessRemoved(ctx, func(ctx context.Context) error { return n.tryDatabase(ctx, nil) })
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if err := n.forgetDatabase(); err != nil {
			return err
		}
		peers, err := n.enter(ctx)
		entered := err == nil
		if entered {
			err = n.tryDatabase(ctx, peers)
		}
		if err == nil || ctx.Err() != nil || isFinal(err) && (entered || api.CodeOf(err) != api.CodeConflict) {
			return err // what is in another manager's way may go without a word to this one
		}
		if api.CodeOf(err) == api.CodeForbidden {
			n.log.Warn("the other managers do not let this one in: asking what this node is", zap.Error(err))
			return errors.Join(sleep.For(ctx, firstRetry), store.ErrRemoved)
		}
		n.log.Warn("the managers' database cannot be joined yet: trying again", zap.Duration("in", wait), zap.Error(err))
		if err := sleep.For(ctx, wait); err != nil {
			return err
		}
	}
}

// isFinal says whether only a person can mend what keeps a manager out. What a manager
// says that is not well itself, or has not heard the latest, ends nobody's process.
func isFinal(err error) bool {
	code := api.CodeOf(err)
	return code == api.CodeInvalid || code == api.CodeConflict || api.ReasonOf(err) == api.ReasonRemoved
}

// tryDatabase leaves nothing open when it fails.
func (n *process) tryDatabase(ctx context.Context, peers map[string]string) error {
	err := n.openDatabase(ctx, peers)
	if err != nil {
		n.closeDatabase()
	}
	return err
}

// enter asks the other managers to let this one's new database in, and takes the
// keys that they send.
func (n *process) enter(ctx context.Context) (peers map[string]string, err error) {
	_, peer, err := n.peerAddresses()
	if err != nil {
		return nil, err
	}
	address, _ := n.advertised()
	answer, err := n.letIn(ctx, api.MemberRequest{Peer: peer, API: address})
	if err != nil {
		return nil, err
	}
	ring, err := seal.Unmarshal(answer.Ring)
	if err != nil {
		return nil, err
	}
	return answer.Peers, n.saveRing(ring)
}

// letIn asks one manager after another: to one that is cut off this node may be none yet.
func (n *process) letIn(ctx context.Context, request api.MemberRequest) (answer api.MemberAnswer, err error) {
	err = &unreachable{errors.New("no manager's address is known")}
	var stranger error
	for _, other := range n.others() {
		err = n.ask(ctx, []string{other}, "/v1/members", request, &answer)
		switch {
		case api.CodeOf(err) == api.CodeForbidden && api.ReasonOf(err) != api.ReasonRemoved:
			stranger = err
		case err == nil || !transient(err):
			return answer, err
		}
	}
	return answer, cmp.Or(stranger, err)
}
