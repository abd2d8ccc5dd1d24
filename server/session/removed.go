package session

import (
	"github.com/orc-project/orc/api"
)

// Removed is what a node hears that is no part of the cluster any more.
func Removed() error {
	return api.Errorf(api.CodeForbidden, "this node was removed from the cluster: empty its data directory to let it join again")
}

// Split is what a manager hears from one that was forced to go on without it, wrongly.
func Split() error {
	return api.Errorf(api.CodeUnavailable, "this manager was forced to go on without the others while they were alive: it is another cluster")
}

// IsRemoved and IsSplit say whether another manager's answer was that.
func IsRemoved(err error) bool { return says(err, Removed()) }

// IsSplit is about Split.
func IsSplit(err error) bool { return says(err, Split()) }

// says compares as it came over the network, which keeps the text alone.
func says(err, what error) bool { return err != nil && err.Error() == what.Error() }
