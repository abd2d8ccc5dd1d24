package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/stretchr/testify/require"
	routes "github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/lab"
)

// routerMaps reads what a node's router has in the kernel, with no help of the agent.
type routerMaps struct {
	namespace *os.File
	links     *routes.Handle
	rules     *nftables.Conn
	events    *netlink.Conn // told of every change of rules
}

// openMaps opens a node's router, until close.
func openMaps(tb testing.TB, node *lab.Node) *routerMaps {
	tb.Helper()
	path, err := routerOf(node)
	require.NoError(tb, err)
	namespace, err := os.Open(path)
	require.NoError(tb, err)
	m := &routerMaps{namespace: namespace}
	m.rules, err = nftables.New(nftables.WithNetNSFd(int(namespace.Fd())))
	require.NoError(tb, err)
	m.links, err = routes.NewHandleAt(netns.NsHandle(namespace.Fd()))
	require.NoError(tb, err)
	m.events, err = netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: int(namespace.Fd()), Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	require.NoError(tb, err)
	return m
}

// close lets go of the router: it would outlive its node.
func (m *routerMaps) close() {
	m.links.Close()
	m.events.Close()
	m.namespace.Close()
}

// routerOf is where the namespace of a node's router is mounted.
func routerOf(node *lab.Node) (string, error) {
	owners, err := filepath.Glob("/run/orc/*/data-dir")
	if err != nil {
		return "", err
	}
	for _, owner := range owners {
		if dir, err := os.ReadFile(owner); err == nil && strings.TrimSpace(string(dir)) == node.DataDir() {
			return filepath.Join(filepath.Dir(owner), "net", "router"), nil
		}
	}
	return "", fmt.Errorf("node %s has no router", node.Name())
}

// backends are the addresses that the node sends connections to, from one of the two
// maps of them: "targets" by virtual address, "port_targets" by published port.
func (m *routerMaps) backends(name string) (map[netip.Addr]bool, error) {
	elements, err := m.rules.GetSetElements(&nftables.Set{Table: &nftables.Table{Name: "orc", Family: nftables.TableFamilyIPv4}, Name: name})
	if err != nil {
		return nil, fmt.Errorf("read the map %s: %w", name, err)
	}
	found := make(map[netip.Addr]bool)
	for _, element := range elements {
		address, _ := netip.AddrFromSlice(element.Val[:4])
		found[address] = true
	}
	return found, nil
}
