package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/lab"
)

// TestNothingIsStaleWhenANodeDiesAndWhenItIsBack looks at what the kernels and name
// servers of all nodes have, and compares it with what the manager says.
func TestNothingIsStaleWhenANodeDiesAndWhenItIsBack(t *testing.T) {
	lab := cluster(t)
	network(t, "front")
	front, err := connect(t).Network(t.Context(), "front")
	require.NoError(t, err)
	orc(t, "service", "create", "--name", "client", "--mode", "global", "--network", "front", "resolve:1.0")
	orc(t, "service", "create", "--name", "web", "--replicas", "5", "--network", "front", "--publish", "8010:80", "whoami:1.0")
	waitRunning(t, "client", 3)
	waitRunning(t, "web", 5)
	victim := lab.Nodes()[2]
	asIntended(t, front.ID, lab.Nodes())

	dead := make(map[netip.Addr]bool)
	for _, service := range []string{"client", "web"} {
		for _, task := range running(t, service) {
			if task.NodeName == victim.Name() {
				dead[task.Status.Addresses[front.ID]] = true
			}
		}
	}
	require.Greater(t, len(dead), 1)
	require.NoError(t, victim.Kill(t.Context()))
	t.Cleanup(func() { // for what cleans up next; it runs unless something failed
		if victim.Pid() == 0 {
			require.NoError(t, victim.Start(context.Background()))
		}
	})
	elsewhere(t, "web", 5, victim.Name())
	others := lab.Nodes()[:2]
	backendsAsIntended(t, front.ID, others, func(found map[netip.Addr]bool) error {
		for address := range found {
			if dead[address] {
				return fmt.Errorf("%s is the dead node's", address)
			}
		}
		return nil
	})

	// While it was away, nobody got what it had.
	orc(t, "service", "scale", "web=9")
	elsewhere(t, "web", 9, victim.Name())
	for _, task := range running(t, "web") {
		require.False(t, dead[task.Status.Addresses[front.ID]], "%s has an address of the dead node", task.Name)
	}

	require.NoError(t, victim.Start(t.Context()))
	require.NoError(t, lab.WaitNodes(t.Context()))
	waitRunning(t, "client", 3)
	waitRunning(t, "web", 9)
	orc(t, "service", "scale", "web=12")
	waitRunning(t, "web", 12)
	asIntended(t, front.ID, lab.Nodes())
	eventually(t, "its old containers are gone", func() error { return ownContainersOnly(t, victim) })
	requireWell(t, "front", "ingress")
	for _, each := range lab.Nodes() {
		_, _, err := visit(net.JoinHostPort(each.Address().String(), "8010"))
		require.NoError(t, err, "through %s", each.Name())
	}
}

// asIntended waits until every node has the ways, the backends and the names that it
// should have, and nothing else.
func asIntended(t *testing.T, front string, nodes []*lab.Node) {
	t.Helper()
	backendsAsIntended(t, front, nodes, func(map[netip.Addr]bool) error { return nil })
	for _, each := range nodes {
		m := openMaps(t, each)
		defer m.close()
		eventually(t, "the ways from "+each.Name(), func() error {
			found, err := m.reach()
			if err != nil {
				return err
			}
			if wanted := intendedReach(t, each, "front", "ingress"); fmt.Sprint(found) != fmt.Sprint(wanted) {
				return fmt.Errorf("wanted %+v, found %+v", wanted, found)
			}
			return nil
		})
	}
}

// backendsAsIntended waits until the maps and name servers of nodes, which are all that
// live, have the tasks that run there, and check has no objection.
func backendsAsIntended(t *testing.T, front string, nodes []*lab.Node, check func(map[netip.Addr]bool) error) {
	t.Helper()
	for _, each := range nodes {
		m := openMaps(t, each)
		defer m.close()
		eventually(t, "the backends on "+each.Name(), func() error {
			for _, look := range []struct {
				what     string
				network  string
				services []string
				found    func() (map[netip.Addr]bool, error)
			}{
				{"targets", front, []string{"web", "client"}, func() (map[netip.Addr]bool, error) { return m.backends("targets") }},
				{"port_targets", api.IngressID, []string{"web"}, func() (map[netip.Addr]bool, error) { return m.backends("port_targets") }},
				{"names", front, []string{"web"}, func() (map[netip.Addr]bool, error) {
					for _, task := range running(t, "client") {
						if task.NodeName == each.Name() {
							return lookUp(t, task, "tasks.web")
						}
					}
					return nil, errors.New("no client runs there")
				}},
			} {
				wanted, err := addressSet(t, look.network, nodes, look.services...)
				if err != nil {
					return err
				}
				found, err := look.found()
				if err != nil {
					return err
				}
				if !maps.Equal(wanted, found) {
					return fmt.Errorf("%s: wanted %v, found %v", look.what, wanted, found)
				}
				if err := check(found); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// ownContainersOnly is an error when a container runs on a node that should not.
func ownContainersOnly(t *testing.T, on *lab.Node) error {
	t.Helper()
	wanted := make(map[string]bool)
	for _, service := range []string{"client", "web"} {
		for _, task := range running(t, service) {
			if task.NodeName == on.Name() {
				wanted[container(task).Container] = true
			}
		}
	}
	found, err := on.Containers()
	if err != nil {
		return err
	}
	for _, id := range found {
		if !wanted[id] {
			return fmt.Errorf("container %s runs, and should not", id)
		}
	}
	if len(found) != len(wanted) {
		return fmt.Errorf("%d containers run of %d", len(found), len(wanted))
	}
	return nil
}
