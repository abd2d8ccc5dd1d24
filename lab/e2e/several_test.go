package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// orc runs a command on a node that must succeed.
func (s *several) orc(node *lab.Node, args ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	out, err := node.Orc(ctx, args...)
	require.NoError(s, err, out)
	return out
}

// clock are the tasks of the service, as a manager sees them.
func (s *several) clock(by *lab.Node) ([]api.TaskView, error) {
	return ask(by, func(ctx context.Context, c *client.Client) ([]api.TaskView, error) {
		return c.Tasks(ctx, client.TaskQuery{Service: "clock"})
	})
}

// undisturbed waits until n tasks run, and returns their containers by task ID.
func (s *several) undisturbed(n int) map[string]string {
	s.Helper()
	found := make(map[string]string)
	s.eventually(fmt.Sprintf("%d tasks run", n), func() error {
		tasks, err := s.clock(s.node(1))
		if err != nil {
			return err
		}
		clear(found)
		for _, task := range tasks {
			if task.Desired == api.DesiredRun && task.Status.State == api.TaskRunning {
				found[task.ID] = container(task).Container
			}
		}
		if len(found) != n {
			return fmt.Errorf("%d do: %s", len(found), describe(tasks))
		}
		return nil
	})
	return found
}

// versions are the tasks with the revisions that they were last written at.
func (s *several) versions(by *lab.Node) map[string]int64 {
	s.Helper()
	tasks, err := s.clock(by)
	require.NoError(s, err)
	found := make(map[string]int64)
	for _, task := range tasks {
		found[task.ID] = task.Version
	}
	return found
}

// onePerSlot fails when two tasks are to run for one slot.
func (s *several) onePerSlot(by *lab.Node) {
	s.Helper()
	tasks, err := s.clock(by)
	require.NoError(s, err)
	slots := make(map[int]string)
	for _, task := range tasks {
		if task.Desired == api.DesiredRun {
			require.Empty(s, slots[task.Slot], "two tasks for slot %d: %s", task.Slot, describe(tasks))
			slots[task.Slot] = task.ID
		}
	}
}

// promote makes the fourth node a manager, demote a worker again.
func (s *several) promote(by, worker *lab.Node) {
	s.Helper()
	s.orc(by, "node", "promote", worker.Name())
	s.eventually(worker.Name()+" is a manager", func() error {
		found, err := states(worker)
		if err == nil && found[worker.Name()] != api.ManagerReachable {
			err = fmt.Errorf("it sees %v", found)
		}
		return err
	})
}

func (s *several) demote(worker *lab.Node) {
	s.Helper()
	s.orc(worker, "node", "demote", worker.Name())
	s.eventually(worker.Name()+" is a worker again", func() error {
		if _, err := states(worker); err == nil || !strings.Contains(err.Error(), "worker") {
			return fmt.Errorf("it says: %v", err)
		} else if api.ReasonOf(err) != api.ReasonUnwritten {
			return fmt.Errorf("it does not say that nothing was written: %v", err)
		}
		return nil
	})
}

// quiet waits until no task has changed for a second.
func (s *several) quiet(by *lab.Node) {
	s.Helper()
	s.eventually("nothing changes", func() error {
		before := fmt.Sprint(s.versions(by))
		wait(time.Second)
		if after := fmt.Sprint(s.versions(by)); after != before {
			return fmt.Errorf("%s became %s", before, after)
		}
		return nil
	})
}

// nodeTimeout changes the setting; 0 is the default. Nodes connect again.
func (s *several) nodeTimeout(timeout api.Duration) {
	s.Helper()
	_, err := ask(s.node(1), func(ctx context.Context, c *client.Client) (api.ClusterView, error) {
		view, err := c.Cluster(ctx)
		if err != nil {
			return view, err
		}
		view.Settings.NodeTimeout = timeout
		return c.UpdateCluster(ctx, view.Settings)
	})
	require.NoError(s, err)
	s.settled()
}
