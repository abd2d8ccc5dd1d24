package session

import (
	"github.com/orc-project/orc/api"
)

// Removed is what a node hears that is no part of the cluster any more.
func Removed() error {
	return api.Errorf(api.CodeForbidden, "this node was removed from the cluster: empty its data directory to let it join again").
		Because(api.ReasonRemoved)
}

// Demoted is what a node hears that takes itself for a manager.
func Demoted() error {
	return api.Errorf(api.CodeForbidden, "this node is a worker of the cluster").Because(api.ReasonDemoted)
}

// Split is what a manager hears from one that was forced to go on without it, wrongly.
func Split() error {
	return api.Errorf(api.CodeUnavailable, "this manager was forced to go on without the others while they were alive: it is another cluster").
		Because(api.ReasonSplit)
}
