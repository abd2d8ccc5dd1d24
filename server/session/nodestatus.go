package session

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/orc-project/orc/api"
)

// The changes of a node's status. Each gets the status there is, or nil, and
// returns what it should become: nil leaves it as it is.

type nodeChange func(current *api.NodeStatus, now time.Time) *api.NodeStatus

// errHungUp is the end of a session that the node did not wait for.
var errHungUp = errors.New("the node hung up before its session began")

// arrived makes the node ready in a new session, unless that has ended before it
// could be written: the node may have opened another one elsewhere by then.
func arrived(ctx context.Context, s *session, info api.NodeInfo, manager string) nodeChange {
	return func(current *api.NodeStatus, now time.Time) *api.NodeStatus {
		if s.conn != nil && s.conn.Closed() {
			s.cut(errHungUp) // this was long in coming
		}
		if ctx.Err() != nil {
			return nil
		}
		next := api.NodeStatus{Meta: api.Meta{ID: s.node, Created: now}, State: api.NodeUnknown}
		if current != nil {
			next = *current
		}
		if next.State != api.NodeReady {
			next.State, next.Since = api.NodeReady, now
		}
		next.Session, next.Manager, next.Message = s.id, manager, ""
		next.Info = located(s, info)
		return &next
	}
}

// informed replaces what the node says of itself.
func informed(s *session, info api.NodeInfo) nodeChange {
	return func(current *api.NodeStatus, _ time.Time) *api.NodeStatus {
		info = located(s, info)
		if current == nil || current.Session != s.id || reflect.DeepEqual(current.Info, info) {
			return nil
		}
		next := *current
		next.Info = info
		return &next
	}
}

// lost writes the node off, unless another manager has it. The session in its status need
// not be the last one here, which may have ended before it was written.
func lost(manager, message string) nodeChange {
	return func(current *api.NodeStatus, now time.Time) *api.NodeStatus {
		if current == nil || current.Manager != manager || current.State != api.NodeReady {
			return nil
		}
		next := *current
		next.State, next.Since, next.Message = api.NodeDown, now, message
		return &next
	}
}

// located fills in the address that the node's session came from.
func located(s *session, info api.NodeInfo) api.NodeInfo {
	if !info.Address.IsValid() {
		info.Address = s.address
	}
	return info
}
