package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// several is a cluster of three managers and a worker, apart from the suite's own.
type several struct {
	testing.TB
	lab *lab.Lab
}

func newSeveral(tb testing.TB) *several {
	tb.Helper()
	if shared == nil {
		tb.Skipf("NOT TESTED: it needs root and a built binary: run `make test` as root (it sets %s and %s)", binaryVariable, imagesVariable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("/tmp", "orc-e2e-")
	require.NoError(tb, err)
	l, err := lab.Up(ctx, lab.Options{Dir: dir, Name: "several", Managers: 3, Agents: 1, Binary: os.Getenv(binaryVariable)})
	require.NoError(tb, err)
	s := &several{TB: tb, lab: l}
	tb.Cleanup(func() {
		if tb.Failed() {
			printLogs(l)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		require.NoError(tb, l.Down(ctx))
		require.NoError(tb, os.RemoveAll(dir))
	})
	s.settled()
	return s
}

// load gives every node the demo images.
func (s *several) load() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	_, err := s.lab.Nodes()[0].Orc(ctx, "image", "load", filepath.Join(os.Getenv(imagesVariable), "all.tar"))
	require.NoError(s, err)
}

// node is n1, n2, …
func (s *several) node(number int) *lab.Node { return s.lab.Nodes()[number-1] }

// ask lets a manager answer within a moment.
func ask[T any](node *lab.Node, question func(ctx context.Context, c *client.Client) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Host: "unix://" + node.Socket()})
	if err != nil {
		var none T
		return none, err
	}
	defer c.Close()
	return question(ctx, c)
}

// eventually asks until there is no error.
func (s *several) eventually(what string, do func() error) {
	s.Helper()
	deadline := time.Now().Add(soon)
	for err := do(); err != nil; err = do() {
		if time.Now().After(deadline) {
			require.FailNow(s, what, "not after %s: %v", soon, err)
		}
		wait(20 * time.Millisecond)
	}
}

// states are the managers' as one of them sees them, by name.
func states(node *lab.Node) (map[string]api.ManagerState, error) {
	views, err := ask(node, func(ctx context.Context, c *client.Client) ([]api.NodeView, error) { return c.Nodes(ctx) })
	found := make(map[string]api.ManagerState)
	for _, each := range views {
		if each.Role == api.RoleManager {
			found[each.Name] = each.Manager
		}
	}
	return found, err
}

// settled waits until all three managers see each other well, and every node is up.
func (s *several) settled() {
	s.Helper()
	for _, node := range s.lab.Nodes()[:3] {
		s.eventually(node.Name()+" sees every manager", func() error {
			found, err := states(node)
			well := 0
			for _, each := range found {
				if each == api.ManagerLeader || each == api.ManagerReachable {
					well++
				}
			}
			if err == nil && well != 3 {
				err = fmt.Errorf("it sees %v", found)
			}
			return err
		})
	}
	require.NoError(s, s.lab.WaitNodes(s.Context()))
}

// leader is the node that leads, as seen by one.
func (s *several) leader(by *lab.Node) *lab.Node {
	s.Helper()
	var leader *lab.Node
	s.eventually("somebody leads", func() error {
		found, err := states(by)
		for name, state := range found {
			if state == api.ManagerLeader {
				leader, err = s.lab.Node(name)
				return err
			}
		}
		return fmt.Errorf("nobody does: %v %w", found, err)
	})
	return leader
}

// others are the managers that are not the given one.
func (s *several) others(than *lab.Node) []*lab.Node {
	var found []*lab.Node
	for _, each := range s.lab.Nodes()[:3] {
		if each.Name() != than.Name() {
			found = append(found, each)
		}
	}
	return found
}

var written int

// write changes something through a manager, again until it is acknowledged, and
// returns how long that took.
func (s *several) write(through *lab.Node) time.Duration {
	s.Helper()
	began := time.Now()
	s.eventually("a write through "+through.Name(), func() error {
		written++
		_, err := ask(through, func(ctx context.Context, c *client.Client) (api.NodeView, error) {
			return c.UpdateNode(ctx, "n4", api.NodeUpdate{LabelsAdd: map[string]string{"written": strconv.Itoa(written)}})
		})
		return err
	})
	return time.Since(began)
}
