// Package rules keeps a node's nftables rules as they are meant to be: addresses of
// services, published ports, isolation, the way out. It says what becomes of packets
// and never makes a link, a route or an address.
//
// orc has one table, "ip orc", in two network namespaces. The host's hands packets
// over to the router and takes them back, past the host's FORWARD hook: what others
// forbid there does not matter, and what they allow is not changed. The router's
// does all the rest. Tables of others are never touched.
//
//	State ──compile──▶ content ──diff──▶ up to three transactions per namespace ──▶ kernel
//	 intended           sets, chains     elements and chains that change
//
// A service's address is looked up in one map, whose verdict leads to the chain of
// all services with as many backends; that takes the next turn and looks the backend
// up in a second map. So a change is a few elements whatever there is besides.
//
// It needs Linux 5.10 with nf_tables, its NAT, fib, dup, reject and numgen
// expressions, connection tracking with its netlink interface, and CAP_NET_ADMIN in
// both namespaces.
package rules
