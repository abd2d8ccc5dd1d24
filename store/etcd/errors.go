package etcd

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/orc-project/orc/store"
)

// unwritten is an error that is store.ErrUnwritten too, which its text need not say.
type unwritten struct{ error }

func (u unwritten) Unwrap() []error { return []error{u.error, store.ErrUnwritten} }

// explanations are of what an operator can do something about.
var explanations = []struct {
	err  error
	text string
}{
	{rpctypes.ErrNoSpace, "it is full (its quota is used up): remove what is not needed"},
	{rpctypes.ErrNoLeader, "no quorum: most managers are not reachable"},
	{rpctypes.ErrTimeout, "no quorum: most managers do not answer"},
	{rpctypes.ErrTimeoutDueToConnectionLost, "no quorum: most managers are not reachable"},
	{rpctypes.ErrTimeoutDueToLeaderFail, "the managers are electing a new leader"},
	{rpctypes.ErrLeaderChanged, "the managers have elected a new leader"},
	{rpctypes.ErrTooManyRequests, "it has too much to do"},
	{rpctypes.ErrStopped, "it is stopping"},
	{rpctypes.ErrCorrupt, "its data is damaged on one of the managers"},
}
