package session

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// leaver is a node that writes down when it is to run nothing.
type leaver struct {
	*node
	left chan wire.Down
}

func (l leaver) Apply(down wire.Down) error {
	if down.Full && len(down.Tasks) == 0 {
		l.left <- down
	}
	return l.node.Apply(down)
}

var removed = api.Errorf(api.CodeForbidden, "this node was removed").Because(api.ReasonRemoved)

func TestANodeThatWasRemovedWhileItWasAwayRunsNothing(t *testing.T) {
	t.Parallel()
	m, n := newManager(t), leaver{newNode(), make(chan wire.Down, 10)}
	m.refuse = removed
	start(t, m, n, "127.0.0.1:1") // where nobody is
	require.Equal(t, wire.Down{Full: true, Network: &wire.NetworkState{}}, next(t, n.left))
}

func TestWhenANodeTakesItselfForRemoved(t *testing.T) {
	type try struct {
		address  string
		welcomed bool
		err      error
	}
	says := func(address string, err error) try { return try{address: address, err: err} }
	nobody := errors.New("connection refused")
	unavailable := api.Errorf(api.CodeUnavailable, "this manager is starting")
	for name, c := range map[string]struct {
		tries []try // a second apart, again and again
		at    int   // the try that ends it; 0 for none
	}{
		"the only manager says so": {[]try{says("a", removed)}, 6},
		"all say so":               {[]try{says("a", removed), says("b", removed)}, 6},
		"the others are away":      {[]try{says("a", nobody), says("b", removed), says("c", nobody)}, 9},
		"nobody is there":          {[]try{says("a", nobody), says("b", nobody)}, 0},
		"another starts":           {[]try{says("a", removed), says("b", unavailable)}, 0},
		"another takes it":         {[]try{says("a", removed), {"b", true, nobody}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var managers []string
			for _, each := range c.tries {
				managers = append(managers, each.address)
			}
			var r removal
			at, began := 0, time.Now()
			for i := range 30 {
				each := c.tries[i%len(c.tries)]
				if r.note(each.address, each.welcomed, each.err, managers, began.Add(time.Duration(i)*time.Second)) {
					require.Zero(t, at, "once is enough")
					at = i + 1
				}
			}
			require.Equal(t, c.at, at)
		})
	}
}

func TestANodeThatWasTakenAgainCanBeRemovedAgain(t *testing.T) {
	var r removal
	for range 2 {
		now := time.Now()
		require.False(t, r.note("a", false, removed, []string{"a"}, now))
		require.True(t, r.note("a", false, removed, []string{"a"}, now.Add(sureAfter)))
		require.False(t, r.note("a", false, removed, []string{"a"}, now.Add(2*sureAfter)))
		require.False(t, r.note("a", true, errors.New("the end"), []string{"a"}, now.Add(3*sureAfter)))
	}
}

// Its session's end told it, and takes the network off the host when all has stopped.
func TestANodeThatWasRemovedBesideAManagerIsToldOnce(t *testing.T) {
	var r removal
	now := time.Now()
	require.False(t, r.note("a", true, removed, []string{"a"}, now))
	for i := range 20 {
		require.False(t, r.note("a", false, removed, []string{"a"}, now.Add(time.Duration(i)*time.Second)))
	}
	require.False(t, r.note("a", true, errors.New("the end"), []string{"a"}, now.Add(time.Minute)), "it was taken again")
	require.False(t, r.note("a", false, removed, []string{"a"}, now.Add(time.Minute)))
	require.True(t, r.note("a", false, removed, []string{"a"}, now.Add(time.Minute+sureAfter)))
}
