package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// TestNodesGetOtherAddresses takes the address of a worker, of a manager that follows and
// of the one that leads, and gives them others, while all runs. Nobody restarts anything.
func TestNodesGetOtherAddresses(t *testing.T) {
	s := newSeveral(t)
	s.load()
	// On a loaded machine it may take longer than the default, and tasks would be replaced.
	s.nodeTimeout(api.Duration(30 * time.Second))
	leader := s.leader(s.node(1))
	follower, stays := s.others(leader)[0], s.others(leader)[1]

	s.orc(stays, "service", "create", "--name", "clock", "--replicas", "4", "--network", "none", "clock:1.0")
	s.orc(stays, "service", "create", "--name", "steady", "--publish", "8010:80", "--constraint", "node.hostname=="+stays.Name(), "whoami:1.0")
	s.orc(stays, "service", "create", "--name", "each", "--mode", "global", "--publish", "8020:80", "whoami:1.0")
	before := s.undisturbed(4)
	// What has nothing to do with the one that moves goes on all the time.
	load := visitAll([]string{at(stays, "8010")})
	for _, moved := range []*lab.Node{s.node(4), follower, leader} {
		from, process := moved.Address(), moved.Pid()
		to, err := s.lab.FreeAddress()
		require.NoError(t, err)
		require.NoError(t, moved.Move(to))
		s.knownAt(stays, moved, to)
		for _, node := range s.lab.Nodes() {
			if node.Name() != moved.Name() {
				s.sendsTo(node, from, to)
			}
		}
		s.settled()
		s.write(stays)
		if moved.Manager() {
			s.write(moved)
		}
		s.eventually(moved.Name()+" is reached, and reaches others, at its new address", func() error {
			_, _, err := visit(at(moved, "8010"))
			return err
		})
		s.everyoneAnswers(at(stays, "8020"))
		s.everyoneAnswers(at(moved, "8020"))
		require.Equal(t, process, moved.Pid())
		require.Equal(t, before, s.undisturbed(4), "a container was made again")
	}
	done, failures := load.stop()
	require.Empty(t, failures, "of %d requests", done)

	// A restart finds them where they are.
	for _, node := range []*lab.Node{leader, s.node(4)} {
		require.NoError(t, node.Stop(t.Context()))
		require.NoError(t, node.Start(t.Context()))
	}
	s.settled()
	require.Equal(t, before, s.undisturbed(4))
}

func at(node *lab.Node, port string) string { return net.JoinHostPort(node.Address().String(), port) }

// knownAt waits until a manager says that a node is ready at an address; one that is a
// manager is reached there as one.
func (s *several) knownAt(by, node *lab.Node, at netip.Addr) {
	s.Helper()
	s.eventually(node.Name()+" is known at "+at.String(), func() error {
		view, err := ask(by, func(ctx context.Context, c *client.Client) (api.NodeView, error) { return c.Node(ctx, node.Name()) })
		switch {
		case err != nil:
			return err
		case view.Status == nil || view.Status.State != api.NodeReady || view.Status.Info.Address != at:
			return fmt.Errorf("its status is %+v", view.Status)
		case node.Manager() && !strings.HasPrefix(view.API, at.String()+":"):
			return fmt.Errorf("its API is at %s", view.API)
		}
		return nil
	})
}

// sendsTo waits until a node's overlay sends to one address and not to the other.
func (s *several) sendsTo(node *lab.Node, not, to netip.Addr) {
	s.Helper()
	router := openMaps(s, node)
	defer router.close()
	s.eventually(node.Name()+" sends to "+to.String(), func() error {
		found, err := router.reach()
		forwards := strings.Join(found.Forwards, "\n") + "\n"
		if err == nil && (strings.Contains(forwards, " "+not.String()+"\n") || !strings.Contains(forwards, " "+to.String()+"\n")) {
			err = fmt.Errorf("it sends to %s", forwards)
		}
		return err
	})
}

// everyoneAnswers waits until the tasks of all four nodes answer at a port.
func (s *several) everyoneAnswers(address string) {
	s.Helper()
	s.eventually("all tasks answer at "+address, func() error {
		found := make(map[string]bool)
		for range 8 {
			hostname, _, err := visit(address)
			if err != nil {
				return err
			}
			found[hostname] = true
		}
		if len(found) != 4 {
			return fmt.Errorf("%d of 4 do", len(found))
		}
		return nil
	})
}
