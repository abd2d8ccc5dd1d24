package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/agent/network/dns"
	"github.com/orc-project/orc/agent/network/link"
	"github.com/orc-project/orc/agent/network/rules"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// shop is a node, number 1, of two, with a service of three tasks on front, which is
// published, and a container of its own.
func shop() *view {
	t := world("10.0.0.0/28")
	t.Networks[api.IngressID] = wire.Network{Name: "ingress", Subnet: netip.MustParsePrefix("10.255.0.0/16")}
	t.Peers = map[string]wire.Peer{
		"two":   {Number: 2, Name: "two", Address: ip("192.0.2.2")},
		"three": {Number: 3, Name: "three"}, // never connected
	}
	t.Services = map[string]wire.Service{"web": {
		Name: "shop_web", App: "shop", DrainDelay: api.Duration(2 * time.Second),
		Networks: map[string]wire.ServiceNetwork{
			"front":       {Virtual: ip("10.0.15.1"), Aliases: []string{"Frontend"}},
			api.IngressID: {Virtual: ip("10.255.255.1")},
		},
		Ports: []api.Port{
			{Protocol: "tcp", Target: 80, Published: 8080, Mode: "ingress"},
			{Protocol: "udp", Target: 53, Published: 53, Mode: "ingress", LocalFirst: true, HostIP: "192.0.2.1"},
			{Protocol: "tcp", Target: 90, Published: 9090, Mode: "host"},
		},
	}}
	t.Backends = map[string]wire.Backend{}
	add := func(task string, slot int, node uint16, front, ingress string, draining bool) {
		t.Backends[task] = wire.Backend{
			Service: "web", Node: node, Slot: slot, Name: "shop_web." + string(rune('0'+slot)), Hostname: task, Draining: draining,
			Addresses: map[string]netip.Addr{"front": ip(front), api.IngressID: ip(ingress)},
		}
	}
	add("c", 1, 2, "10.0.1.1", "10.255.1.1", false)
	add("b", 2, 1, "10.0.0.1", "10.255.0.1", false)
	add("a", 3, 2, "10.0.1.3", "10.255.1.3", false)
	add("z", 4, 2, "10.0.1.4", "10.255.1.4", true)
	return &view{
		tables: t, underlay: ip("192.0.2.1"), indexes: rules.Links{Host: 7, Overlay: 8},
		host: link.Host{Addresses: []netip.Addr{ip("192.0.2.1")}, Egress: []link.Egress{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Source: ip("192.0.2.1")}}},
		attachments: map[string]*attachment{
			"b": {
				Task: "b", Link: "ob", Networks: []string{"front", api.IngressID}, Source: "front", App: "shop", DNS: []netip.Addr{ip("9.9.9.9")},
				Addresses: map[string]netip.Addr{"front": ip("10.0.0.1"), api.IngressID: ip("10.255.0.1")},
			},
			"gone": {Task: "gone", Link: "ogone", Networks: []string{"front"}, Addresses: map[string]netip.Addr{"front": ip("10.0.0.9")}, Freed: time.Unix(1, 0)},
		},
	}
}

func TestConnectionsGoToTasksThatAreReadyAndNotLeaving(t *testing.T) {
	state := shop().rules()
	require.Equal(t, map[netip.Addr][]netip.Addr{ip("10.0.15.1"): {ip("10.0.1.1"), ip("10.0.0.1"), ip("10.0.1.3")}}, state.Services,
		"in the order of slots; nothing is reached over the ingress network by an address of its own")
	require.Equal(t, map[rules.Port]rules.Published{
		{Proto: 6, Number: 8080}: {Backends: []netip.AddrPort{
			netip.MustParseAddrPort("10.255.1.1:80"), netip.MustParseAddrPort("10.255.0.1:80"), netip.MustParseAddrPort("10.255.1.3:80"),
		}},
		{Proto: 17, Number: 53}:  {HostIP: ip("192.0.2.1"), Backends: []netip.AddrPort{netip.MustParseAddrPort("10.255.0.1:53")}},
		{Proto: 6, Number: 9090}: {Backends: []netip.AddrPort{netip.MustParseAddrPort("10.255.0.1:90")}},
	}, state.Ports)
	require.Equal(t, map[string]rules.Container{"ob": {Addresses: []netip.Addr{ip("10.0.0.1"), ip("10.255.0.1")}, Egress: true}}, state.Containers)
	require.Equal(t, []uint16{2}, state.Nodes)
	require.Equal(t, rules.Links{Host: 7, Overlay: 8}, state.Links)
	require.Equal(t, []rules.Subnet{
		{Prefix: netip.MustParsePrefix("10.0.0.0/20")}, {Prefix: netip.MustParsePrefix("10.0.16.0/20")},
		{Prefix: netip.MustParsePrefix("10.255.0.0/16"), Isolated: true},
	}, state.Subnets)
}

func TestWhatDidNotChangeIsDerivedAlike(t *testing.T) {
	v := shop()
	for number := range uint16(20) {
		v.Peers[fmt.Sprint(number)] = wire.Peer{Number: number + 10, Address: ip("192.0.2.9")}
		v.Networks[fmt.Sprint(number)] = wire.Network{Subnet: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 50, byte(number), 0}), 24)}
	}
	first := v.rules()
	for range 10 {
		require.Equal(t, first, v.rules())
	}
}

func TestAHostPortIsOnlyWhereATaskIs(t *testing.T) {
	v := shop()
	delete(v.Backends, "b")
	state := v.rules()
	require.NotContains(t, state.Ports, rules.Port{Proto: 6, Number: 9090})
	require.Len(t, state.Ports[rules.Port{Proto: 17, Number: 53}].Backends, 2, "local first is not local only")
}

func TestTheWayToEveryBlockIsDerived(t *testing.T) {
	state := shop().links()
	require.Equal(t, uint16(1), state.Number)
	require.Equal(t, []link.Block{{Prefix: netip.MustParsePrefix("10.0.1.0/28"), Node: 2}}, state.Blocks, "its own are no way")
	require.Len(t, state.Subnets, 3)
}

func TestNamesAreThoseOfServicesTasksAndContainers(t *testing.T) {
	table := shop().names(dns.Table{}, nil)
	require.NotContains(t, table.Networks, api.IngressID)
	front := table.Networks["front"]
	all := []netip.Addr{ip("10.0.1.1"), ip("10.0.0.1"), ip("10.0.1.3")}
	for name, want := range map[string][]netip.Addr{
		"shop_web": {ip("10.0.15.1")}, "frontend": {ip("10.0.15.1")}, "tasks.shop_web": all,
		"shop_web.2": {ip("10.0.0.1")}, "b": {ip("10.0.0.1")},
	} {
		got, _ := front.Names.Get(name)
		require.Equal(t, want, got, name)
	}
	_, leaving := front.Names.Get("z")
	require.False(t, leaving)
	name, _ := front.Reverse.Get(ip("10.0.1.3"))
	require.Equal(t, "shop_web.3.front", name)
	require.Len(t, table.Askers, 2, "those that are attached")
	asker := table.Askers[ip("10.0.0.1")]
	require.Equal(t, "shop", asker.App)
	require.Equal(t, "9.9.9.9:53", asker.Upstreams[0].String())

	v := shop()
	service := v.Services["web"]
	service.Networks["front"] = wire.ServiceNetwork{} // dnsrr
	got, _ := v.names(dns.Table{}, nil).Networks["front"].Names.Get("shop_web")
	require.Equal(t, all, got)
	v.Backends = nil
	got, known := v.names(dns.Table{}, nil).Networks["front"].Names.Get("shop_web")
	require.True(t, known)
	require.Empty(t, got)
}

func TestABackendWhoseNodeIsDownIsUsedOnlyWhereThereIsNoOther(t *testing.T) {
	v := shop()
	require.Len(t, v.ready()["web"], 3)
	all := maps.Clone(v.Backends)
	set := func(task string, away bool) map[string]wire.Backend {
		next := v.Backends[task]
		next.Away = away
		return v.apply(wire.Down{Network: &wire.NetworkState{Backends: wire.Changes[wire.Backend]{Set: map[string]wire.Backend{task: next}}}}).withdrawn
	}
	require.Len(t, set("a", true), 1, "the connections to it are forgotten")
	require.Len(t, v.ready()["web"], 2)
	require.NotContains(t, v.rules().Services[ip("10.0.15.1")], all["a"].Addresses["front"])
	set("b", true)
	require.Equal(t, []wire.Backend{v.Backends["c"]}, v.ready()["web"])
	require.Empty(t, set("c", true), "connections go on where there is no other")
	require.Len(t, v.ready()["web"], 3, "the managers may be wrong about all of them")
	forgotten := set("b", false)
	require.Equal(t, []wire.Backend{v.Backends["b"]}, v.ready()["web"])
	require.ElementsMatch(t, []string{"a", "c"}, slices.Collect(maps.Keys(forgotten)), "there is another now: connections to the others are forgotten at last")
}

func TestOnlyNetworksThatChangedAreNamedAnew(t *testing.T) {
	v := shop()
	v.Networks["quiet"] = wire.Network{Name: "quiet", Subnet: netip.MustParsePrefix("10.9.0.0/20")}
	first := v.names(dns.Table{}, nil)
	service := v.Services["web"]
	service.Networks = map[string]wire.ServiceNetwork{"front": {Virtual: ip("10.0.15.9")}}
	changes := v.apply(wire.Down{Network: &wire.NetworkState{Services: wire.Changes[wire.Service]{Set: map[string]wire.Service{"web": service}}}})
	second := v.names(first, changes.networks)
	require.Same(t, first.Networks["quiet"], second.Networks["quiet"])
	got, _ := second.Networks["front"].Names.Get("shop_web")
	require.Equal(t, []netip.Addr{ip("10.0.15.9")}, got)
	got, _ = first.Networks["front"].Names.Get("shop_web")
	require.Equal(t, []netip.Addr{ip("10.0.15.1")}, got, "a table that was given stays as it is")
	require.Equal(t, second, v.names(second, noNames))
}

func TestWhatIsWithdrawnIsForgottenOnce(t *testing.T) {
	v := shop()
	draining := v.Backends["a"]
	draining.Draining = true
	changes := wire.Changes[wire.Backend]{Set: map[string]wire.Backend{"a": draining}, Gone: []string{"b", "unknown"}}
	withdrawn := v.apply(wire.Down{Network: &wire.NetworkState{Backends: changes}}).withdrawn
	require.Len(t, withdrawn, 2)
	require.Empty(t, v.apply(wire.Down{Network: &wire.NetworkState{Backends: changes}}).withdrawn)
	withdrawn = v.apply(wire.Down{Network: &wire.NetworkState{Backends: wire.Changes[wire.Backend]{Gone: []string{"a"}}}}).withdrawn
	require.Len(t, withdrawn, 1, "its time is over")
	require.True(t, withdrawn["a"].Draining)

	// A complete message says the same by what it leaves out.
	before := shop()
	told := maps.Clone(before.Networks)
	delete(told, "back")
	withdrawn = before.apply(wire.Down{Full: true, Network: &wire.NetworkState{Networks: wire.Changes[wire.Network]{Set: told}, Backends: wire.Changes[wire.Backend]{Set: map[string]wire.Backend{"c": before.Backends["c"]}}}}).withdrawn
	require.Len(t, withdrawn, 3)
	require.Len(t, before.Backends, 1)
	require.NotContains(t, before.Networks, "back")
}

// What clients outside sent to the ingress network's address is answered from there,
// also by servers that leave it to the kernel (UDP ones).
func TestAContainerAnswersClientsOutsideFromTheIngressNetwork(t *testing.T) {
	v := shop()
	f := &Fabric{tables: *v.tables}
	each := v.attachments["b"]
	require.Equal(t, "10.255.0.1", f.planLink(each).Source.String())

	each.Networks = []string{"front"}
	delete(each.Addresses, api.IngressID)
	require.Equal(t, "10.0.0.1", f.planLink(each).Source.String())
}

// TestAnAddressThatIsNotOfItsNetworkSpoilsNothing has one node of the cluster lie: the
// kernel refuses all rules for one key of the wrong length.
func TestAnAddressThatIsNotOfItsNetworkSpoilsNothing(t *testing.T) {
	v := shop()
	want, names := v.rules(), v.names(dns.Table{}, nil)
	for _, network := range []string{"front", api.IngressID} {
		for _, address := range []string{"::1", "::ffff:10.0.1.9", "192.0.2.9", "10.0.16.9"} {
			lie := wire.Backend{Service: "web", Node: 2, Slot: 9, Addresses: map[string]netip.Addr{network: ip(address)}}
			told := wire.Changes[wire.Backend]{Set: map[string]wire.Backend{"lie": lie}}
			require.Equal(t, []strange{{"lie", network, ip(address)}}, v.apply(wire.Down{Network: &wire.NetworkState{Backends: told}}).strange)
			require.Equal(t, ip(address), told.Set["lie"].Addresses[network], "a message is not changed")
			require.Equal(t, want, v.rules())
			require.Equal(t, names.Networks["front"].Reverse, v.names(dns.Table{}, nil).Networks["front"].Reverse)
			v.apply(wire.Down{Network: &wire.NetworkState{Backends: wire.Changes[wire.Backend]{Gone: []string{"lie"}}}})
		}
	}
	full := wire.NetworkState{
		Networks: wire.Changes[wire.Network]{Set: v.Networks}, Services: wire.Changes[wire.Service]{Set: v.Services},
		Peers: wire.Changes[wire.Peer]{Set: v.Peers}, Blocks: wire.Changes[wire.Block]{Set: v.Blocks}, Backends: wire.Changes[wire.Backend]{Set: v.Backends},
	}
	delete(full.Networks.Set, "front")
	require.Len(t, v.apply(wire.Down{Full: true, Network: &full}).strange, 4, "on a network that is not the node's")
}
