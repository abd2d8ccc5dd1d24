package rules

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The vocabulary that rules are written in. Each word is a few of the kernel's
// expressions; the comments have nft's own way to write it.

// Registers of 4 bytes that follow each other, as the kernel itself numbers them.
// A concatenation is a key that begins at one and goes on into the next.
const (
	r0 = unix.NFT_REG_1
	r1 = unix.NFT_REG32_01
	r2 = unix.NFT_REG32_02
	r4 = unix.NFT_REG_2
)

// do joins words to a rule.
func do(words ...rule) rule { return slices.Concat(words...) }

// Fields, loaded into a register.

func iifname(register uint32) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}}
}
func oifname(register uint32) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}}
}
func l4proto(register uint32) rule {
	return rule{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}}
}
func saddr(register uint32) rule { return field(expr.PayloadBaseNetworkHeader, 12, 4, register) }
func daddr(register uint32) rule { return field(expr.PayloadBaseNetworkHeader, 16, 4, register) }
func dport(register uint32) rule { return field(expr.PayloadBaseTransportHeader, 2, 2, register) }
func etherSource(register uint32) rule {
	return field(expr.PayloadBaseLLHeader, 6, 6, register)
}

func field(base expr.PayloadBase, offset, length, register uint32) rule {
	return rule{&expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}}
}

// etherNode is the node that sent a frame over the overlay: see scheme.NodeMAC.
func etherNode(register uint32) rule {
	return field(expr.PayloadBaseLLHeader, 10, 2, register)
}

// Conditions: where one does not hold, the rule ends.

// from is `iifname LINK`.
func from(link string) rule { return do(iifname(r0), is(expr.CmpOpEq, linkKey(link))) }

// notFrom is `iifname != LINK`.
func notFrom(link string) rule { return do(iifname(r0), is(expr.CmpOpNeq, linkKey(link))) }

// to is `oifname LINK`.
func to(link string) rule { return do(oifname(r0), is(expr.CmpOpEq, linkKey(link))) }

// protocol is `meta l4proto NUMBER`.
func protocol(number byte) rule { return do(l4proto(r0), is(expr.CmpOpEq, []byte{number})) }

// toPrefix is `ip daddr PREFIX`, fromPrefix `ip saddr PREFIX`.
func toPrefix(prefix netip.Prefix) rule   { return do(daddr(r0), inPrefix(prefix)) }
func fromPrefix(prefix netip.Prefix) rule { return do(saddr(r0), inPrefix(prefix)) }

func inPrefix(prefix netip.Prefix) rule {
	if prefix.IsSingleIP() {
		return is(expr.CmpOpEq, prefix.Addr().AsSlice())
	}
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-prefix.Bits()))
	return do(masked(mask), is(expr.CmpOpEq, prefix.Masked().Addr().AsSlice()))
}

// toHost is `fib daddr type local`.
func toHost() rule {
	return do(rule{&expr.Fib{Register: r0, FlagDADDR: true, ResultADDRTYPE: true}}, is(expr.CmpOpEq, native(unix.RTN_LOCAL)))
}

// toPorts is `th dport FIRST-LAST`.
func toPorts(first, last uint16) rule {
	return do(dport(r0), rule{&expr.Range{
		Op: expr.CmpOpEq, Register: r0,
		FromData: binary.BigEndian.AppendUint16(nil, first),
		ToData:   binary.BigEndian.AppendUint16(nil, last),
	}})
}

// flags is `tcp flags & MASK == VALUE`, or `!=`.
func flags(mask byte, op expr.CmpOp, value byte) rule {
	return do(field(expr.PayloadBaseTransportHeader, 13, 1, r0), masked([]byte{mask}), is(op, []byte{value}))
}

// The bits of flags.
const (
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10
)

// Bits of the IP header's flags (RFC 791). The first is reserved: nobody else sets it
// or looks at it.
const (
	reserved     = 0x8000
	dontFragment = 0x4000
)

// fragmentFlags is `ip frag-off & MASK == VALUE`.
func fragmentFlags(mask, value uint16) rule {
	return do(fragmentOffset(), masked(binary.BigEndian.AppendUint16(nil, mask)), is(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, value)))
}

// setFragmentFlags is `ip frag-off set ip frag-off & ^MASK | VALUE`.
func setFragmentFlags(mask, value uint16) rule {
	return do(fragmentOffset(), rule{&expr.Bitwise{
		SourceRegister: r0, DestRegister: r0, Len: 2,
		Mask: binary.BigEndian.AppendUint16(nil, ^mask), Xor: binary.BigEndian.AppendUint16(nil, value),
	}}, setHeader(6, 2))
}

// setHeader writes r0 to a place of the IP header.
func setHeader(offset, length uint32) rule {
	const checksum = 10 // where the header has it
	return rule{&expr.Payload{
		OperationType: expr.PayloadWrite, SourceRegister: r0, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length,
		CsumType: expr.CsumTypeInet, CsumOffset: checksum,
	}}
}

// setSource is `ip saddr set` to the address at r0, without translation.
func setSource() rule { return setHeader(12, 4) }

// offender is the destination of the packet that an ICMP error is about, whose header
// follows its own.
func offender(register uint32) rule {
	return field(expr.PayloadBaseTransportHeader, 8+16, 4, register)
}

func fragmentOffset() rule { return field(expr.PayloadBaseNetworkHeader, 6, 2, r0) }

// icmpType is `icmp type NUMBER`.
func icmpType(number byte) rule {
	return do(protocol(unix.IPPROTO_ICMP), field(expr.PayloadBaseTransportHeader, 0, 1, r0), is(expr.CmpOpEq, []byte{number}))
}

// Types of ICMP messages (RFC 792).
const (
	icmpEchoReply        = 0
	icmpUnreachable      = 3
	icmpEchoRequest      = 8
	icmpTimeExceeded     = 11
	icmpParameterProblem = 12
)

// tracked is `ct state STATES`, untracked `ct state != STATES`.
func tracked(states uint32) rule {
	return do(rule{&expr.Ct{Key: expr.CtKeySTATE, Register: r0}}, masked(native(states)), is(expr.CmpOpNeq, native(0)))
}

func notTracked(states uint32) rule {
	return do(rule{&expr.Ct{Key: expr.CtKeySTATE, Register: r0}}, masked(native(states)), is(expr.CmpOpEq, native(0)))
}

// translated is `ct status dnat`.
func translated() rule {
	const dnat = 1 << 5 // IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h
	return do(rule{&expr.Ct{Key: expr.CtKeySTATUS, Register: r0}}, masked(native(dnat)), is(expr.CmpOpNeq, native(0)))
}

// answer is `ct direction reply`.
func answer() rule {
	const reply = 1 // IP_CT_DIR_REPLY
	return do(rule{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: r0}}, is(expr.CmpOpEq, []byte{reply}))
}

// marked is `ct mark != 0`.
func marked() rule {
	return do(rule{&expr.Ct{Key: expr.CtKeyMARK, Register: r0}}, is(expr.CmpOpNeq, native(0)))
}

// in is `@SET` of the key at r0.
func in(set string) rule { return rule{&expr.Lookup{SourceRegister: r0, SetName: set}} }

// mapped is `map @MAP` of the key at r0, its value back at r0.
func mapped(set string) rule {
	return rule{&expr.Lookup{SourceRegister: r0, SetName: set, DestRegister: r0, IsDestRegSet: true}}
}

func masked(mask []byte) rule {
	return rule{&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))}}
}

func is(op expr.CmpOp, value []byte) rule {
	return rule{&expr.Cmp{Op: op, Register: r0, Data: value}}
}

// Statements.

func accept() rule           { return rule{&expr.Verdict{Kind: expr.VerdictAccept}} }
func drop() rule             { return rule{&expr.Verdict{Kind: expr.VerdictDrop}} }
func goTo(chain string) rule { return rule{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}} }
func goBy(verdicts string) rule { // `vmap @MAP` of the key at r0
	return rule{&expr.Lookup{SourceRegister: r0, SetName: verdicts, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true}}
}

// reject is `reject with icmp type admin-prohibited`.
func reject() rule {
	const filtered = 13 // ICMP_PKT_FILTERED
	return rule{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: filtered}}
}

func set32(register uint32, value []byte) rule {
	return rule{&expr.Immediate{Register: register, Data: value}}
}

// duplicate is `dup to ADDRESS device LINK`, of the address at r0 and a link's
// index. Without a link nothing is sent.
func duplicate(link int) rule {
	return do(set32(r1, native(uint32(link))), rule{&expr.Dup{RegAddr: r0, RegDev: r1, IsRegDevSet: true}})
}

// duplicateTo is the same for a fixed address.
func duplicateTo(to netip.Addr, link int) rule { return do(set32(r0, to.AsSlice()), duplicate(link)) }

// note is `meta mark set` to the value at r0, noted loads it: the one thing that one
// rule can leave to another, which may be in another hook.
func note() rule { return rule{&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: r0}} }

func noted(register uint32) rule { return rule{&expr.Meta{Key: expr.MetaKeyMARK, Register: register}} }

// sendTo is `dnat to` the address at r0, sendToPort to the address and port at r0.
func sendTo() rule {
	return rule{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: r0}}
}

func sendToPort() rule {
	return rule{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: r0, RegProtoMin: r1}}
}

// sendFrom is `snat to` the address at r0, sendFromPorts to one of the ports, too.
func sendFrom() rule {
	return rule{&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: r0}}
}

func sendFromPorts(first, last uint16) rule {
	return do(
		set32(r1, binary.BigEndian.AppendUint16(nil, first)),
		set32(r2, binary.BigEndian.AppendUint16(nil, last)),
		rule{&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: r0, RegProtoMin: r1, RegProtoMax: r2}})
}

// remember is `ct mark set` to the value at r0.
func remember() rule {
	return rule{&expr.Ct{Key: expr.CtKeyMARK, Register: r0, SourceRegister: true}}
}

// zone is `ct original zone set` to the number at r0.
func zone() rule {
	return rule{original{&expr.Ct{Key: expr.CtKeyZONE, Register: r0, SourceRegister: true}}}
}

// recall loads `ct mark` into r0.
func recall() rule { return rule{&expr.Ct{Key: expr.CtKeyMARK, Register: r0}} }

// clamp is `tcp option maxseg size set rt mtu`.
func clamp() rule {
	const maxseg = 2 // TCPOPT_MAXSEG
	return rule{
		&expr.Rt{Key: expr.RtTCPMSS, Register: r0},
		&expr.Byteorder{SourceRegister: r0, DestRegister: r0, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: r0, Type: maxseg, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	}
}

// native is a number in the machine's byte order, in which the kernel has marks,
// indexes and what it counts.
func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// linkKey is a link's name as the kernel compares it.
func linkKey(name string) []byte {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return key
}

// Places in the kernel's work on a packet.
func at(hook *nftables.ChainHook, priority *nftables.ChainPriority) *base {
	return &base{kind: nftables.ChainTypeFilter, hook: hook, priority: priority, policy: nftables.ChainPolicyAccept}
}

func translating(hook *nftables.ChainHook, priority *nftables.ChainPriority) *base {
	return &base{kind: nftables.ChainTypeNAT, hook: hook, priority: priority, policy: nftables.ChainPolicyAccept}
}

// dropping is a place where what no rule accepts is dropped.
func dropping(hook *nftables.ChainHook, priority *nftables.ChainPriority) *base {
	return &base{kind: nftables.ChainTypeFilter, hook: hook, priority: priority, policy: nftables.ChainPolicyDrop}
}

// after is a place behind another.
func after(priority *nftables.ChainPriority) *nftables.ChainPriority {
	return nftables.ChainPriorityRef(*priority + 1)
}
