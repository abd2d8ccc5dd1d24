// Package network is a node's part of the cluster's networks: it gives containers
// their addresses, names and ways to each other, and keeps the kernel as it should
// be.
//
// Everything is derived. What managers tell (wire.NetworkState), what this node has
// attached, and what the host itself is like make the intended state of links
// (network/link), of packet rules (network/rules) and of names (network/dns); each
// of those brings its part of the kernel there and mends what somebody changes. No
// state of the kernel's is ever read to decide with.
//
//	wire.Down ──▶ tables ─┐               ┌─▶ link.State
//	Attach, Detach ──▶ allocator ─ derive ─┼─▶ rules.State
//	link.Host ────────────┘               └─▶ dns.Table
//
// A node that is cut off goes on with what it was told last, after a boot, too.
package network
