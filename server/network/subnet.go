package network

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// ingressBits is the length of the ingress network's subnet, if the pool is large
// enough: an address for every task that publishes a port or names no network.
const ingressBits = 16

// neighbourBits is how much around what nodes reach by themselves is left alone while
// there is other room: what is near a host's network is likely to be its site's.
const neighbourBits = 16

// AddNetwork gives a network its subnet: the one that its spec names, or one from
// the cluster's pools.
func (l *Ledger) AddNetwork(network *api.Network) error {
	subnet, err := l.subnet(network)
	if err != nil {
		return err
	}
	network.Subnet = subnet
	l.networks[network.ID] = network
	l.reserve()
	l.block(network.ID, "")
	return nil
}

func (l *Ledger) subnet(network *api.Network) (netip.Prefix, error) {
	uses := l.uses()
	if network.Spec.Subnet != "" {
		wanted, err := netip.ParsePrefix(network.Spec.Subnet)
		if err != nil {
			return netip.Prefix{}, api.Invalidf("network %s: subnet %q: %w", network.Name, network.Spec.Subnet, err)
		}
		for _, use := range uses {
			if use.prefix.Overlaps(wanted) {
				return netip.Prefix{}, api.Conflictf("network %s: subnet %s overlaps %s: choose another, or leave it to the cluster", network.Name, wanted, use.by)
			}
		}
		return wanted, nil
	}
	pools := l.settings.Pools()
	for _, neighbourhood := range []bool{true, false} {
		taken := make([]netip.Prefix, len(uses))
		for i, use := range uses {
			if taken[i] = use.prefix; use.host && neighbourhood {
				taken[i] = netip.PrefixFrom(use.prefix.Addr(), min(use.prefix.Bits(), neighbourBits)).Masked()
			}
		}
		for _, pool := range pools {
			if found, ok := newSpace(pool, taken).first(l.length(network, pool)); ok {
				return found, nil
			}
		}
	}
	return netip.Prefix{}, l.exhausted(network, pools, uses)
}

// exhausted says that the pools are used up, and by whom beside networks.
func (l *Ledger) exhausted(network *api.Network, pools []netip.Prefix, uses []use) error {
	var texts, others []string
	for _, pool := range pools {
		texts = append(texts, pool.String())
		for _, use := range uses {
			if use.host && use.prefix.Overlaps(pool) && len(others) < 3 {
				others = append(others, use.by)
			}
		}
	}
	also := ""
	if len(others) > 0 {
		also = "; part of it is " + strings.Join(others, ", ")
	}
	return api.Conflictf("network %s: the cluster's address pool %s has no free subnet of length /%d left: remove networks that are not used, or choose one with --subnet%s",
		network.Name, strings.Join(texts, ", "), l.length(network, pools[0]), also)
}

// length is that of the subnet a network gets from a pool. The ingress network has
// a large one, but never more than a quarter of a small pool.
func (l *Ledger) length(network *api.Network, pool netip.Prefix) int {
	if network.ID == api.IngressID {
		return min(max(ingressBits, pool.Bits()+2), api.MaxSubnetBits)
	}
	return l.settings.SubnetLength()
}

// use is a part of the address space that is somebody's.
type use struct {
	prefix netip.Prefix
	by     string // for people
	host   bool   // it is no network's
}

// uses are all that a new subnet must not overlap: networks, blocks of networks
// that are gone but whose tasks are not, and what nodes reach by themselves.
func (l *Ledger) uses() []use {
	var all []use
	for network := range store.All[api.Network](l.snapshot) {
		if network.Subnet.IsValid() && l.networks[network.ID] == nil {
			all = append(all, use{prefix: network.Subnet, by: "network " + network.Name + " (" + network.Subnet.String() + ")"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.networks)) {
		network := l.networks[id]
		all = append(all, use{prefix: network.Subnet, by: "network " + network.Name + " (" + network.Subnet.String() + ")"})
	}
	for block := range store.All[api.Block](l.snapshot) {
		if l.network(block.Network) == nil {
			for _, prefix := range block.Prefixes {
				all = append(all, use{prefix: prefix, by: "a network that was removed a moment ago"})
			}
		}
	}
	for status := range store.All[api.NodeStatus](l.snapshot) {
		for _, prefix := range hostPrefixes(&status.Info) {
			all = append(all, use{prefix: prefix, by: "what node " + l.node(status.ID) + " reaches without orc (" + prefix.String() + ")", host: true})
		}
	}
	return all
}

// shortest is the length of the largest network that anybody has (RFC 1918). A shorter
// prefix is a way out, as the two halves of everything that VPNs set.
const shortest = 8

// hostPrefixes are what a node reaches by routes of its own, and its own address.
func hostPrefixes(info *api.NodeInfo) []netip.Prefix {
	var all []netip.Prefix
	for _, prefix := range info.Subnets {
		if prefix.Addr().Is4() && prefix.Bits() >= shortest {
			all = append(all, prefix.Masked())
		}
	}
	if address := info.Address.Unmap(); address.Is4() {
		all = append(all, netip.PrefixFrom(address, 32))
	}
	return all
}

func (l *Ledger) node(id string) string {
	if node := store.Get[api.Node](l.snapshot, id); node != nil {
		return node.Name
	}
	return api.ShortID(id)
}
