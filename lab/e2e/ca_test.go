package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// theCAIsRotated replaces the CA while the worker is held up and the leader dies.
// Requests go on meanwhile, from every node to tasks on others.
func theCAIsRotated(s *several) {
	s.nodeTimeout(api.Duration(time.Minute)) // the worker is slow, not lost
	defer s.nodeTimeout(0)
	s.orc(s.node(1), "service", "create", "--name", "web", "--replicas", "2", "--publish", "8090:80", "whoami:1.0")
	defer s.orc(s.node(1), "service", "rm", "web")
	var addresses []string
	for _, node := range s.lab.Nodes() {
		address := net.JoinHostPort(node.Address().String(), "8090")
		s.eventually(node.Name()+" answers", func() error {
			_, _, err := visit(address)
			return err
		})
		addresses = append(addresses, address)
	}
	before, leader, worker := s.undisturbed(4), s.leader(s.node(1)), s.node(4)
	other := s.others(leader)[0]
	old := s.orc(other, "ca", "inspect", "-f", "{{range .Roots}}{{.Digest}}{{end}}")
	traffic := visitAll(addresses)

	require.NoError(s, worker.Freeze())
	s.orc(other, "ca", "rotate", "--detach")
	s.eventually("the rotation waits for the worker alone", func() error {
		view, err := ask(other, func(ctx context.Context, c *client.Client) (api.CAView, error) { return c.CAStatus(ctx) })
		if err == nil && (view.Phase != api.CATrust || len(view.Waiting) != 1 || view.Waiting[0].Name != worker.Name()) {
			err = fmt.Errorf("it is at %q and waits for %v", view.Phase, view.Waiting)
		}
		return err
	})
	require.Contains(s, s.orc(other, "ca", "show"), "every node trusts the new CA too: 3 of 4; waiting for "+worker.Name())
	require.NoError(s, leader.KillProcess(s.Context()))
	require.NoError(s, worker.Thaw())
	require.NoError(s, leader.Start(s.Context()))
	s.eventually("the CA is another one", func() error {
		view, err := ask(other, func(ctx context.Context, c *client.Client) (api.CAView, error) { return c.CAStatus(ctx) })
		if err == nil && (view.Phase != api.CASettled || view.Roots[0].Digest == strings.TrimSpace(old)) {
			err = fmt.Errorf("it is at %q and waits for %v", view.Phase, view.Waiting)
		}
		return err
	})
	s.settled()
	require.Equal(s, before, s.undisturbed(4))
	done, failures := traffic.stop()
	require.Empty(s, failures, "of %d requests", done)
}
