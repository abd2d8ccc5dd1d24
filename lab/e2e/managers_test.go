package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// TestManagers breaks one cluster of several managers in many ways. Whatever
// happens to managers, no task of a node that lives may notice.
func TestManagers(t *testing.T) {
	s := newSeveral(t)
	s.load()
	s.orc(s.node(2), "service", "create", "--name", "clock", "--replicas", "4", "--network", "none", "clock:1.0")
	s.undisturbed(4)
	for _, story := range []struct {
		name string
		tell func(*several)
	}{
		{"every manager reaches every node", everyManagerReachesEveryNode},
		{"the CA is rotated and nobody notices", theCAIsRotated},
		{"a role changes and nothing is restarted", aRoleChanges},
		{"a manager that slept through a promotion ends nobody", aSleeper},
		{"what would lose the quorum is refused", whatWouldLoseTheQuorum},
		{"a leader that is killed is replaced", aKilledLeader},
		{"a leader that was paused writes nothing afterwards", aPausedLeader},
		{"a leader that is cut off writes nothing", aLeaderCutOff},
		{"all managers end and begin again", allManagersBeginAgain},
		{"a manager dies with a node of its sessions", aManagerAndANode},
	} {
		t.Run(story.name, func(t *testing.T) {
			inner := *s
			inner.TB = t
			story.tell(&inner)
		})
	}
}

func everyManagerReachesEveryNode(s *several) {
	for _, node := range s.lab.Nodes()[:3] {
		for _, task := range s.undisturbed(4) {
			s.eventually("logs of "+task+" through "+node.Name(), func() error {
				out, err := node.Orc(s.Context(), "logs", task)
				if err == nil && strings.Count(out, "\n") < 2 {
					err = errors.New("there are none: " + out)
				}
				return err
			})
		}
		out := s.orc(node, "stats", "--no-stream")
		require.Equal(s, 5, strings.Count(out, "\n"), out)
	}
}

func aRoleChanges(s *several) {
	before, worker := s.undisturbed(4), s.node(4)
	pid := worker.Pid()
	s.promote(s.node(1), worker)
	s.write(worker)
	s.demote(worker)
	for _, secret := range []string{"db", "ring", "ring.key"} {
		require.NoFileExists(s, worker.DataDir()+"/"+secret)
	}
	s.settled()
	require.Equal(s, before, s.undisturbed(4))
	require.Equal(s, pid, worker.Pid())
	require.NoError(s, worker.Stop(s.Context()))
	require.NoError(s, worker.Start(s.Context()))
	s.settled()
	require.Equal(s, before, s.undisturbed(4))
}

// aSleeper is down while one that it saw removed becomes a manager again. What it
// believes when it is back must not make the other give its database up.
func aSleeper(s *several) {
	worker, leader := s.node(4), s.leader(s.node(1))
	sleeper, by := s.others(leader)[0], s.others(leader)[1]
	s.promote(by, worker)
	s.demote(worker)
	s.settled()
	require.NoError(s, sleeper.Stop(s.Context()))
	s.promote(by, worker)
	database, err := os.Stat(worker.DataDir() + "/db")
	require.NoError(s, err)
	s.orc(worker, "node", "update", "--label-add", "meanwhile=1", "n4") // the sleeper lacks it
	// The others say nothing to it before it has met n4.
	for _, node := range []*lab.Node{leader, by} {
		require.NoError(s, syscall.Kill(node.Pid(), syscall.SIGSTOP))
		defer syscall.Kill(node.Pid(), syscall.SIGCONT) // again: no harm
	}
	require.NoError(s, sleeper.Start(s.Context()))
	wait(2 * time.Second)
	for _, node := range []*lab.Node{leader, by} {
		require.NoError(s, syscall.Kill(node.Pid(), syscall.SIGCONT))
	}
	for _, node := range s.lab.Nodes() {
		s.eventually(node.Name()+" sees four managers", func() error {
			found, err := states(node)
			for _, each := range s.lab.Nodes() {
				if state := found[each.Name()]; err == nil && state != api.ManagerReachable && state != api.ManagerLeader {
					err = fmt.Errorf("it sees %v", found)
				}
			}
			return err
		})
		s.write(node)
	}
	now, err := os.Stat(worker.DataDir() + "/db")
	require.NoError(s, err)
	require.True(s, os.SameFile(database, now), "n4 has made its database anew")
	s.demote(worker)
	s.settled()
	s.undisturbed(4)
}

func whatWouldLoseTheQuorum(s *several) {
	leader := s.leader(s.node(1))
	others := s.others(leader)
	require.NoError(s, others[0].Stop(s.Context()))
	s.eventually("it is missed", func() error {
		found, err := states(leader)
		if err == nil && found[others[0].Name()] != api.ManagerUnreachable {
			err = fmt.Errorf("leader sees %v", found)
		}
		return err
	})
	_, err := leader.Orc(s.Context(), "node", "demote", others[1].Name())
	require.ErrorContains(s, err, "1 can be reached and 2 are needed")
	_, err = leader.Orc(s.Context(), "node", "rm", "--force", others[1].Name())
	require.ErrorContains(s, err, "1 can be reached and 2 are needed")
	require.NoError(s, others[0].Start(s.Context()))
	s.settled()
	s.undisturbed(4)
}

func aKilledLeader(s *several) {
	leader := s.leader(s.node(1))
	require.NoError(s, leader.KillProcess(s.Context()))
	took := s.write(s.others(leader)[0])
	s.Logf("a write succeeded %s after the leader's end", took)
	require.NoError(s, leader.Start(s.Context()))
	s.settled()
	s.undisturbed(4)
	s.onePerSlot(s.node(1))
}

// aPausedLeader freezes the leading process in the middle of its work, long enough
// for another to take over and to do what it was about to do.
func aPausedLeader(s *several) {
	leader := s.leader(s.node(1))
	other := s.others(leader)[0]
	s.orc(leader, "service", "scale", "--detach", "clock=40")
	require.NoError(s, syscall.Kill(leader.Pid(), syscall.SIGSTOP))
	resumed := false
	defer func() {
		if !resumed {
			_ = syscall.Kill(leader.Pid(), syscall.SIGCONT) // the test has failed already
		}
	}()
	s.write(other)
	s.orc(other, "service", "scale", "--detach", "clock=4")
	wait(10 * time.Second)
	s.eventually("the new leader has done its work", func() error {
		tasks, err := s.clock(other)
		if err != nil {
			return err
		}
		should := slices.DeleteFunc(tasks, func(task api.TaskView) bool { return task.Desired != api.DesiredRun })
		if len(should) != 4 {
			return fmt.Errorf("%d tasks should run", len(should))
		}
		return nil
	})
	s.quiet(other)
	before := s.versions(other)
	require.NoError(s, syscall.Kill(leader.Pid(), syscall.SIGCONT))
	resumed = true
	wait(3 * time.Second)
	s.onePerSlot(other)
	for id, version := range s.versions(other) {
		if before[id] != 0 {
			require.Equal(s, before[id], version, "task %s was written by a leader that is none", id)
		}
	}
	s.settled()
	s.undisturbed(4)
}

func aLeaderCutOff(s *several) {
	leader := s.leader(s.node(1))
	other := s.others(leader)[0]
	require.NoError(s, leader.Cut())
	healed := false
	defer func() {
		if !healed {
			_ = leader.Heal() // the test has failed already
		}
	}()
	s.write(other)
	_, err := ask(leader, func(ctx context.Context, c *client.Client) (api.NodeView, error) {
		return c.UpdateNode(ctx, "n4", api.NodeUpdate{LabelsAdd: map[string]string{"cut": "off"}})
	})
	require.Error(s, err, "what it cannot tell the others is not acknowledged")
	s.eventually("it says that what it shows may be old, and refuses at once", func() error {
		var stderr strings.Builder
		ls := leader.Command(s.Context(), os.Getenv(binaryVariable), "node", "ls")
		ls.Stderr = &stderr
		err := leader.Exec(ls)
		if err == nil && !strings.HasPrefix(stderr.String(), "orc: warning: no quorum: ") {
			err = errors.New("it says: " + stderr.String())
		}
		return err
	})
	_, err = leader.Orc(s.Context(), "node", "update", "--label-add", "cut=off", "n4")
	require.ErrorContains(s, err, "orc: no quorum: ")
	s.eventually("its tasks run elsewhere", func() error {
		tasks, err := s.clock(other)
		for _, task := range tasks {
			if task.NodeName == leader.Name() && task.Desired == api.DesiredRun {
				err = fmt.Errorf("%s does not", task.Name)
			}
		}
		return err
	})
	require.NoError(s, leader.Heal())
	healed = true
	s.settled()
	s.undisturbed(4)
	s.onePerSlot(leader)
}

func allManagersBeginAgain(s *several) {
	// On a loaded machine an end and a beginning may take longer than the default.
	s.nodeTimeout(api.Duration(time.Minute))
	defer s.nodeTimeout(0)
	before := s.undisturbed(4)
	for _, node := range s.lab.Nodes() {
		require.NoError(s, node.Stop(s.Context()))
	}
	for _, node := range s.lab.Nodes() {
		require.NoError(s, node.Start(s.Context()))
	}
	s.settled()
	require.Equal(s, before, s.undisturbed(4))

	// One after the other, as an upgrade does.
	for _, node := range s.lab.Nodes() {
		require.NoError(s, node.Stop(s.Context()))
		require.NoError(s, node.Start(s.Context()))
		s.settled()
	}
	require.Equal(s, before, s.undisturbed(4))
}

func aManagerAndANode(s *several) {
	worker := s.node(4)
	holder, err := ask(s.node(1), func(ctx context.Context, c *client.Client) (api.NodeView, error) {
		view, err := c.Node(ctx, worker.Name())
		if err != nil {
			return view, err
		}
		return c.Node(ctx, view.Status.Manager)
	})
	require.NoError(s, err)
	manager, err := s.lab.Node(holder.Name)
	require.NoError(s, err)
	other := s.others(manager)[0]
	require.NoError(s, manager.Pause())
	require.NoError(s, worker.Kill(s.Context()))
	s.eventually("the tasks of both run elsewhere", func() error {
		tasks, err := s.clock(other)
		well := 0
		for _, task := range tasks {
			if task.Desired == api.DesiredRun && task.Status.State == api.TaskRunning && task.NodeName != worker.Name() && task.NodeName != manager.Name() {
				well++
			}
		}
		if err == nil && well != 4 {
			err = fmt.Errorf("%d do: %s", well, describe(tasks))
		}
		return err
	})
	require.NoError(s, manager.Resume())
	require.NoError(s, worker.Start(s.Context()))
	s.settled()
	s.undisturbed(4)
	s.onePerSlot(other)
}
