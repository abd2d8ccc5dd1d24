package rules

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

var gateway = netip.PrefixFrom(scheme.Gateway, 32)

// routerChains are those of the router's table, classes apart.
//
//	prerouting:  raw      who sends from an address that is not his; which node sent it on
//	             mangle   remembers the node that a connection came over
//	             dstnat   services, published ports → a backend; answers → back over that node
//	forward:     mangle   segments fit the way
//	             filter   who may reach whom
//	input:       filter   containers reach their DNS server, nothing else
//	output:      mangle   the router's own errors of what came over another node → back over it
//	postrouting: srcnat   a container that reached itself; the way out
func routerChains(links Links) map[string]chain {
	const known = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	pair := do(saddr(r0), daddr(r1), in("allowed"))
	domain := func(number byte) rule {
		return do(toPrefix(gateway), protocol(number), toPorts(53, 53), accept())
	}
	egress := func(number byte) rule {
		return do(to(scheme.Uplink), protocol(number), daddr(r0), mapped("egress"),
			sendFromPorts(scheme.FirstEgressPort, scheme.LastEgressPort))
	}
	outward := do(to(scheme.Uplink), iifname(r0), saddr(r4), in("leaving"), daddr(r0))

	return map[string]chain{
		"sources": {base: at(nftables.ChainHookPrerouting, nftables.ChainPriorityRaw), rules: []rule{
			do(from("lo"), accept()),
			do(from(scheme.Uplink), fragmentFlags(reserved, reserved), setFragmentFlags(reserved|dontFragment, 0)),
			do(from(scheme.Overlay), accept()),
			do(from(scheme.Uplink), saddr(r0), in("overlay"), drop()),
			do(from(scheme.Uplink), accept()),
			do(iifname(r0), saddr(r4), in("sources"), accept()),
			drop(),
		}},
		// A client may ask two nodes from the same port, and both may send it on to the same
		// container. Here the connections are told apart by the node, and the container sees
		// the second one come from another port.
		"zones": {base: at(nftables.ChainHookPrerouting, after(nftables.ChainPriorityRaw)), rules: []rule{
			do(from(scheme.Overlay), daddr(r0), in("ingress"), etherNode(r0), zone()),
		}},
		"mesh": {base: at(nftables.ChainHookPrerouting, nftables.ChainPriorityMangle), rules: []rule{
			do(from(scheme.Overlay), tracked(expr.CtStateBitNEW), daddr(r0), in("ingress"), etherSource(r0), mapped("nodes"), remember()),
		}},
		"answers": {base: at(nftables.ChainHookPrerouting, after(nftables.ChainPriorityNATDest)), rules: []rule{
			do(notFrom(scheme.Overlay), answer(), marked(), goTo("return")),
		}},
		"errors": {base: at(nftables.ChainHookOutput, nftables.ChainPriorityMangle), rules: []rule{
			// In the backend's name: the router's own address is the other router's, too.
			do(protocol(unix.IPPROTO_ICMP), answer(), marked(), offender(r0), setSource(), goTo("return")),
		}},
		"return": {rules: []rule{
			do(recall(), mapped("returns"), duplicate(links.Overlay)),
			drop(),
		}},
		"services": {base: translating(nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest), rules: []rule{
			do(from(scheme.Uplink), goTo("published")),
			do(pair, daddr(r0), mapped("services"), goBy(classMap)),
			do(daddr(r0), in("host"), goTo("published")),
		}},
		"published": {rules: []rule{
			do(daddr(r0), l4proto(r1), dport(r2), mapped("bound"), goBy(classMap)),
			do(l4proto(r0), dport(r1), mapped("ports"), goBy(classMap)),
		}},
		// After the chain of its class, which noted the turn; the address that was asked
		// for is noted in its place.
		"backend":      {rules: []rule{do(noted(r1), daddr(r0), note(), mapped("targets"), sendTo())}},
		"port_backend": {rules: []rule{do(noted(r2), daddr(r0), note(), l4proto(r0), dport(r1), mapped("port_targets"), sendToPort())}},
		"segments": {base: at(nftables.ChainHookForward, nftables.ChainPriorityMangle), rules: []rule{
			do(protocol(unix.IPPROTO_TCP), flags(tcpSYN|tcpRST, expr.CmpOpEq, tcpSYN), clamp()),
		}},
		"forward": {base: dropping(nftables.ChainHookForward, nftables.ChainPriorityFilter), rules: []rule{
			do(tracked(known), accept()),
			do(pair, accept()),
			do(translated(), accept()),
			do(from(scheme.Overlay), daddr(r0), in("ingress"), accept()),
			do(outward, in("host"), accept()),
			do(outward, mapped("egress"), accept()),
			goTo("refuse"),
		}},
		"input": {base: dropping(nftables.ChainHookInput, nftables.ChainPriorityFilter), rules: []rule{
			do(tracked(known), accept()),
			do(from("lo"), accept()),
			do(from(scheme.Uplink), icmpType(icmpEchoRequest), accept()),
			do(from(scheme.Overlay), icmpType(icmpEchoRequest), accept()),
			do(from(scheme.Uplink), drop()),
			do(from(scheme.Overlay), drop()),
			domain(unix.IPPROTO_UDP),
			domain(unix.IPPROTO_TCP),
			do(toPrefix(gateway), icmpType(icmpEchoRequest), accept()),
			goTo("refuse"),
		}},
		// Containers are told at once, others are not.
		"refuse": {rules: []rule{
			do(from(scheme.Uplink), drop()),
			do(from(scheme.Overlay), drop()),
			reject(),
		}},
		"leaving": {base: translating(nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource), rules: []rule{
			// A container that reached itself would answer itself, past us.
			do(translated(), oifname(r0), saddr(r4), in("sources"), noted(r0), sendFrom()),
			// One that was asked over UDP by its host's address answers from that of the
			// network that it shares with the asker, which was not asked.
			do(translated(), protocol(unix.IPPROTO_UDP), saddr(r0), in("overlay"), daddr(r0), in("ingress"), noted(r0), sendFrom()),
			// The client's address and port stay.
			do(from(scheme.Uplink), translated(), accept()),
			do(to(scheme.Uplink), daddr(r0), in("host"), set32(r0, scheme.RouterIP.AsSlice()), sendFrom()),
			egress(unix.IPPROTO_TCP),
			egress(unix.IPPROTO_UDP),
			egress(unix.IPPROTO_ICMP),
			do(to(scheme.Uplink), daddr(r0), mapped("egress"), sendFrom()),
		}},
	}
}
