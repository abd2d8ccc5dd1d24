package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/lab"
)

// reach is what a node's kernel knows of the way to other nodes' containers, each as
// a line of text.
type reach struct {
	Routes     []string // over the overlay: prefix, next node
	Neighbours []string // address, Ethernet address
	Forwards   []string // Ethernet address, node's address on the underlay
}

func (r *reach) sort() {
	slices.Sort(r.Routes)
	slices.Sort(r.Neighbours)
	slices.Sort(r.Forwards)
}

// reach reads it from the router.
func (m *routerMaps) reach() (found reach, err error) {
	overlay, err := m.links.LinkByName(scheme.Overlay)
	if err != nil {
		return found, err
	}
	index := overlay.Attrs().Index
	routes, err := m.links.RouteListFiltered(unix.AF_INET, &netlink.Route{LinkIndex: index, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	if err != nil {
		return found, err
	}
	for _, each := range routes {
		found.Routes = append(found.Routes, fmt.Sprint(each.Dst, each.Gw))
	}
	neighbours, err := m.links.NeighList(index, unix.AF_INET)
	if err != nil {
		return found, err
	}
	for _, each := range neighbours {
		found.Neighbours = append(found.Neighbours, fmt.Sprint(each.IP, each.HardwareAddr))
	}
	forwards, err := m.links.NeighList(index, unix.AF_BRIDGE)
	if err != nil {
		return found, err
	}
	for _, each := range forwards {
		found.Forwards = append(found.Forwards, fmt.Sprint(each.HardwareAddr, each.IP))
	}
	found.sort()
	return found, nil
}

// intendedReach is what a node's kernel should know, by the manager. Every node must
// have a task on each of the networks.
func intendedReach(t *testing.T, of *lab.Node, networks ...string) (wanted reach) {
	t.Helper()
	numbers := make(map[string]uint16)
	all, err := connect(t).Nodes(t.Context())
	require.NoError(t, err)
	for _, each := range all {
		numbers[each.Name] = each.Number
		if each.Name == of.Name() {
			continue
		}
		ip, mac := scheme.NodeIP(each.Number), scheme.NodeMAC(each.Number)
		wanted.Routes = append(wanted.Routes, fmt.Sprint(netip.PrefixFrom(ip, 32), ip))
		wanted.Neighbours = append(wanted.Neighbours, fmt.Sprint(ip, mac))
		wanted.Forwards = append(wanted.Forwards, fmt.Sprint(mac, each.Status.Info.Address))
	}
	for _, name := range networks {
		view, err := connect(t).Network(t.Context(), name)
		require.NoError(t, err)
		for _, block := range view.Blocks {
			if block.NodeName == of.Name() {
				continue
			}
			for _, prefix := range block.Prefixes {
				wanted.Routes = append(wanted.Routes, fmt.Sprint(prefix, scheme.NodeIP(numbers[block.NodeName])))
			}
		}
	}
	wanted.sort()
	return wanted
}

// addressSet are the addresses on a network of services' tasks that run on nodes, and
// an error if one has none or two have the same.
func addressSet(t *testing.T, network string, nodes []*lab.Node, services ...string) (map[netip.Addr]bool, error) {
	t.Helper()
	found := make(map[netip.Addr]bool)
	for _, service := range services {
		for _, task := range running(t, service) {
			if !slices.ContainsFunc(nodes, func(n *lab.Node) bool { return n.Name() == task.NodeName }) {
				continue
			}
			address := task.Status.Addresses[network]
			if !address.IsValid() || found[address] {
				return nil, fmt.Errorf("%s has the address %q", task.Name, address)
			}
			found[address] = true
		}
	}
	return found, nil
}

// requireWell asks `orc doctor` and `orc network inspect`: nobody may have found
// anything.
func requireWell(t *testing.T, networks ...string) {
	t.Helper()
	eventually(t, "orc doctor finds all well", func() error {
		findings, err := connect(t).Doctor(t.Context(), "")
		if err != nil {
			return err
		}
		for _, each := range findings {
			if each.Level != api.LevelOK {
				return fmt.Errorf("%s: %s: %s", each.NodeName, each.Subject, each.Message)
			}
		}
		if len(findings) < len(shared.Nodes()) {
			return fmt.Errorf("%d findings only", len(findings))
		}
		return nil
	})
	for _, name := range networks {
		view, err := connect(t).Network(t.Context(), name)
		require.NoError(t, err)
		require.Empty(t, view.Warnings, name)
	}
}

// lookUp asks from within a task's container.
func lookUp(t *testing.T, task api.TaskView, name string) (map[netip.Addr]bool, error) {
	t.Helper()
	out, err := tryOrc(t, "exec", container(task).Container, "/resolve", "dns", name)
	if err != nil {
		return nil, err
	}
	found := make(map[netip.Addr]bool)
	for text := range strings.FieldsSeq(out) {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		found[address] = true
	}
	return found, nil
}
