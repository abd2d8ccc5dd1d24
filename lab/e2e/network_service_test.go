package e2e

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAServiceSaysOfNamesIsInItsContainers(t *testing.T) {
	cluster(t)
	network(t, "front")
	orc(t, "service", "create", "--name", "box", "--network", "front", "--dns-search", "corp.test", "--dns-option", "ndots:2",
		"--host", "db.corp.test:192.0.2.7", "--host", "node:host-gateway", "--hostname", "box-{{.Task.Slot}}", "toolbox:1.0")
	task := waitRunning(t, "box", 1)[0]
	resolv := orc(t, "exec", "box.1", "/toolbox", "head", "/etc/resolv.conf")
	require.Contains(t, resolv, "nameserver 169.254.1.1\n")
	require.Contains(t, resolv, "search corp.test")
	require.Contains(t, resolv, "ndots:2")
	hosts := strings.Join(strings.Fields(orc(t, "exec", "box.1", "/toolbox", "head", "/etc/hosts")), " ")
	require.Contains(t, hosts, "192.0.2.7 db.corp.test")
	require.Contains(t, hosts, node(t, task).Address().String()+" node")
	require.Contains(t, hosts, "box-1")
}

func TestALocalFirstPortIsAnsweredByTheNodeThatWasAsked(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "web", "--mode", "global", "--publish", "published=8010,target=80,local-first", "whoami:1.0")
	homes := make(map[string]string)
	for _, task := range waitRunning(t, "web", 3) {
		homes[container(task).Container[:12]] = task.NodeName
		homes[task.ID[:12]] = task.NodeName
	}
	for _, node := range lab.Nodes() {
		address := net.JoinHostPort(node.Address().String(), "8010")
		eventually(t, "its own task answers on "+node.Name(), func() error {
			for range 4 {
				hostname, _, err := visit(address)
				if err != nil {
					return err
				}
				if homes[hostname] != node.Name() {
					return fmt.Errorf("%s answered, of node %q", hostname, homes[hostname])
				}
			}
			return nil
		})
	}

	// Without one of its own, a node sends on to others.
	last := lab.Nodes()[2]
	orc(t, "service", "update", "--constraint-add", "node.hostname!="+last.Name(), "web")
	eventually(t, "another's answers", func() error {
		hostname, _, err := visit(net.JoinHostPort(last.Address().String(), "8010"))
		if err == nil && homes[hostname] == last.Name() {
			err = errors.New("the task that is to leave answers")
		}
		return err
	})
}

func TestARangeOfPortsIsPublished(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "web", "--publish", "8020-8021:80-81", "--env", "PORT=81", "whoami:1.0")
	waitRunning(t, "web", 1)
	for _, node := range lab.Nodes() {
		eventually(t, "the second port of two answers on "+node.Name(), func() error {
			_, _, err := visit(net.JoinHostPort(node.Address().String(), "8021"))
			return err
		})
	}
	require.Contains(t, refused(t, "service", "create", "--name", "other", "--publish", "8021:80", "whoami:1.0"), "8021")
	require.Contains(t, orc(t, "service", "ls"), "8020")
}
