package session

import (
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
)

var errFault error = api.Errorf(api.CodeInternal, "the manager met a fault of its own: its log has more")

// guarded does something for one node. Should it panic, that node's session ends, as
// net/http ends a request: what a node says must not end a manager with the sessions of
// all others. Locks on the way are released by defer.
func guarded(log *zap.Logger, f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			log.Error("a fault in orc ended a node's session: please report it", zap.Any("fault", fault), zap.Stack("stack"))
			err = errFault
		}
	}()
	return f()
}
