package session

import (
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// A node that was removed while it was away has started what was assigned to it last, on
// addresses that others have by now. It hears of its removal only by being refused, from
// every manager that it comes to. A manager says so after it has asked the database, of
// which it needs most of the others; one that was forced to go on alone behind their back
// says so, too, of a node that has joined them since. So one manager that says anything
// else is enough to go on; those that cannot be reached say nothing.

// sureAfter is for how long nobody may have said otherwise: managers that start again are
// back within some seconds.
const sureAfter = 5 * time.Second

// removal is what the managers have said of this node's removal since one said otherwise.
type removal struct {
	since time.Time // when one said first that it was removed
	asked []string  // in the present round
	told  bool      // in the present round
	over  bool      // the node was told that it is to run nothing
}

// note takes in how a try to connect ended. It says, once, that the node was removed: a
// whole round of the managers was asked, of which some say so and nobody says otherwise,
// and that was so for a while.
func (r *removal) note(address string, welcomed bool, err error, managers []string, now time.Time) bool {
	var answer *api.Error
	accused := api.ReasonOf(err) == api.ReasonRemoved
	if welcomed || !accused && errors.As(err, &answer) {
		*r = removal{}
	}
	if accused && r.since.IsZero() {
		r.since = now
	}
	r.over = r.over || welcomed && accused // its session's end told it, network and all
	r.told = r.told || accused
	r.asked = append(r.asked, address)
	if slices.ContainsFunc(managers, func(each string) bool { return !slices.Contains(r.asked, each) }) {
		return false
	}
	sure := r.told && now.Sub(r.since) >= sureAfter && !r.over
	r.asked, r.told, r.over = nil, false, r.over || sure
	return sure
}

// leave has the node run nothing any more, after what it was told before. It keeps a
// network, without anything in it: a manager that comes later may know it after all.
func (c *Client) leave() {
	c.log.Error("this node was removed from the cluster: its containers are removed")
	before, done := c.acted, make(chan struct{})
	c.acted = done
	go func() {
		defer close(done)
		<-before
		if err := c.config.Node.Apply(wire.Down{Full: true, Network: &wire.NetworkState{}}); err != nil {
			c.log.Error("this node runs on what it was told before it was removed", zap.Error(err))
		}
	}()
}
