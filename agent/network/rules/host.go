package rules

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/agent/network/scheme"
)

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// hostChains are those of the host's table. No packet of orc's is forwarded here: a
// copy goes out on its own, unseen by FORWARD and untracked, and the original ends.
//
//	prerouting: raw      published ports → router; router → out, or input
//	            mangle   answers to connections that the router sent out → router
//	output:     nat      the node's own connections to published ports → router
//	postrouting: nat     … which do not come from 127.0.0.1 then
func hostChains(links Links) map[string]chain {
	toRouter := func(conditions ...rule) []rule {
		match := do(conditions...)
		return []rule{
			// Copies have DF set (nf_dup_ipv4.c): of which that is not true is noted.
			do(fragmentFlags(dontFragment, 0), match, setFragmentFlags(reserved, reserved)),
			do(match, duplicateTo(scheme.RouterIP, links.Host), drop()),
		}
	}
	outside := do(notFrom(scheme.HostLink), toHost())
	const known = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED

	return map[string]chain{
		"arriving": {base: at(nftables.ChainHookPrerouting, nftables.ChainPriorityRaw), rules: slices.Concat(
			[]rule{
				do(from("lo"), accept()),
				do(from(scheme.HostLink), goTo("from_router")),
				// Nobody but the host itself may use what is published on its loopback.
				do(toPrefix(loopback), accept()),
			},
			toRouter(toHost(), l4proto(r0), dport(r1), in("ports")),
			toRouter(toHost(), daddr(r0), l4proto(r1), dport(r2), in("bound")),
		)},
		"from_router": {rules: []rule{
			do(toPrefix(loopback), drop()),
			do(toHost(), accept()),
			do(daddr(r0), rule{&expr.Dup{RegAddr: r0}}, drop()),
		}},
		"answers": {base: at(nftables.ChainHookPrerouting, nftables.ChainPriorityMangle), rules: slices.Concat(
			// A SYN opens a connection to the host itself, it answers none.
			toRouter(outside, protocol(unix.IPPROTO_TCP), toPorts(scheme.FirstEgressPort, scheme.LastEgressPort),
				notTracked(known), flags(tcpSYN|tcpACK, expr.CmpOpNeq, tcpSYN)),
			toRouter(outside, protocol(unix.IPPROTO_UDP), toPorts(scheme.FirstEgressPort, scheme.LastEgressPort), notTracked(known)),
			toRouter(outside, icmpType(icmpEchoReply), notTracked(known)),
			[]rule{
				// The host may have asked for these; it ignores them if not.
				do(outside, icmpType(icmpUnreachable), notTracked(known), duplicateTo(scheme.RouterIP, links.Host)),
				do(outside, icmpType(icmpTimeExceeded), notTracked(known), duplicateTo(scheme.RouterIP, links.Host)),
				do(outside, icmpType(icmpParameterProblem), notTracked(known), duplicateTo(scheme.RouterIP, links.Host)),
			},
		)},
		"own": {base: translating(nftables.ChainHookOutput, nftables.ChainPriorityNATDest), rules: []rule{
			do(toHost(), l4proto(r0), dport(r1), in("ports"), set32(r0, scheme.RouterIP.AsSlice()), sendTo()),
			do(toHost(), daddr(r0), l4proto(r1), dport(r2), in("bound"), set32(r0, scheme.RouterIP.AsSlice()), sendTo()),
		}},
		"leaving": {base: translating(nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource), rules: []rule{
			do(fromPrefix(loopback), to(scheme.HostLink), set32(r0, scheme.HostIP.AsSlice()), sendFrom()),
		}},
	}
}
