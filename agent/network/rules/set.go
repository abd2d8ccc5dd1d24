package rules

import (
	"slices"

	"github.com/google/nftables"
)

// tableName is the name of orc's tables, of the family ip.
const tableName = "orc"

// kind is how a set's keys are matched, and so how elements holds them.
type kind int

const (
	exact    kind = iota // the key
	prefixes             // an address, and whether an interval starts there or has ended
	pairs                // both ends of an interval, whose key is a concatenation
)

// set is the definition of a set, or of a map if it has data. When that changes, the name
// should: then nothing is lost on nodes that have the old one (see repair.early).
type set struct {
	name string
	kind kind
	key  []nftables.SetDatatype
	data []nftables.SetDatatype
}

// Types of keys and data.
var (
	address = nftables.TypeIPAddr
	proto   = nftables.TypeInetProto
	port    = nftables.TypeInetService
	number  = nftables.TypeMark // of classes, turns and nodes
	name    = nftables.TypeIFName
	verdict = nftables.TypeVerdict
)

func of(types ...nftables.SetDatatype) []nftables.SetDatatype { return types }

// hostSets are those of the host's table.
var hostSets = []set{
	{name: "ports", key: of(proto, port)},          // published on all addresses
	{name: "bound", key: of(address, proto, port)}, // published on one
}

// classMap leads to the chains of classes. It is small: with every transaction that
// changes a map of chains, the kernel walks through all of it.
const classMap = "classes"

// routerSets are those of the router's.
var routerSets = []set{
	{name: "services", key: of(address), data: of(number)},                        // virtual address → class
	{name: "targets", key: of(address, number), data: of(address)},                // virtual address, turn → backend
	{name: "ports", key: of(proto, port), data: of(number)},                       // the same for ports published on all addresses
	{name: "bound", key: of(address, proto, port), data: of(number)},              // and on one
	{name: "port_targets", key: of(proto, port, number), data: of(address, port)}, // port, turn → backend
	{name: classMap, key: of(number), data: of(verdict)},                          // class → its chain
	{name: "host", key: of(address)},                                              // the host's addresses
	{name: "sources", key: of(name, address)},                                     // what containers may send from
	{name: "leaving", key: of(name, address)},                                     // those of them that may reach the outside
	{name: "allowed", kind: pairs, key: of(address, address)},                     // who may reach whom
	{name: "overlay", kind: prefixes, key: of(address)},                           // all networks
	{name: "ingress", kind: prefixes, key: of(address)},                           // the isolated ones
	{name: "egress", kind: prefixes, key: of(address), data: of(address)},         // destination → the host's address to send from
	{name: "nodes", key: of(nftables.TypeEtherAddr), data: of(number)},
	{name: "returns", key: of(number), data: of(address)},
}

// define makes the library's set of it.
func (s set) define(t *nftables.Table) *nftables.Set {
	defined := &nftables.Set{
		Table:         t,
		Name:          s.name,
		KeyType:       join(s.key),
		Interval:      s.kind != exact,
		Concatenation: s.kind == pairs,
		IsMap:         s.data != nil,
	}
	if s.data != nil {
		defined.DataType = join(s.data)
	}
	return defined
}

// definedAs reports whether a set that was found is this one.
func (s set) definedAs(found *nftables.Set) bool {
	meant := s.define(nil)
	if found.IsMap != meant.IsMap || found.Interval != meant.Interval || found.Concatenation != meant.Concatenation {
		return false
	}
	// Of maps of verdicts the library does not know the types.
	return s.verdicts() || found.KeyType.Name == meant.KeyType.Name && found.DataType.Name == meant.DataType.Name
}

// join makes one type of several, whose parts fill registers of four bytes each; a
// single one is as long as it is.
func join(types []nftables.SetDatatype) nftables.SetDatatype {
	if len(types) == 1 {
		return types[0]
	}
	return nftables.MustConcatSetType(types...)
}

// verdicts reports whether its data are chains.
func (s set) verdicts() bool { return len(s.data) == 1 && s.data[0] == verdict }

// named reports whether one of the sets has a name.
func named(sets []set, name string) bool {
	return slices.ContainsFunc(sets, func(s set) bool { return s.name == name })
}

// find returns the set of that name.
func find(sets []set, name string) set {
	return sets[slices.IndexFunc(sets, func(s set) bool { return s.name == name })]
}
