package rules

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// reading is what the kernel has of orc's table.
type reading struct {
	sets     map[string]*nftables.Set // nil: there is no table
	elements map[string]elements      // of orc's own sets
	chains   map[string]*nftables.Chain
	rules    map[string][][]byte // expressions, by chain
}

// read asks the kernel.
func (s *space) read() (reading, error) {
	found, err := s.readAll()
	if err != nil {
		return reading{}, errors.Join(fmt.Errorf("read nftables of the %s: %w", s.name, err), s.connect())
	}
	return found, nil
}

func (s *space) readAll() (reading, error) {
	tables, err := s.conn.ListTablesOfFamily(s.table.Family)
	if err != nil {
		return reading{}, err
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == s.table.Name }) {
		return reading{}, nil
	}
	found := reading{
		sets: make(map[string]*nftables.Set), elements: make(map[string]elements), chains: make(map[string]*nftables.Chain),
	}
	sets, err := s.conn.GetSets(s.table)
	if err != nil {
		return reading{}, err
	}
	for _, set := range sets {
		found.sets[set.Name] = set
	}
	for _, set := range s.sets {
		if found.sets[set.name] == nil {
			continue
		}
		if found.elements[set.name], err = s.readElements(set); err != nil {
			return reading{}, err
		}
	}
	chains, err := s.conn.ListChainsOfTableFamily(s.table.Family)
	if err != nil {
		return reading{}, err
	}
	for _, chain := range chains {
		if chain.Table.Name == s.table.Name {
			found.chains[chain.Name] = chain
		}
	}
	found.rules, err = s.readRules()
	return found, err
}

// readElements reads a set's.
func (s *space) readElements(set set) (elements, error) {
	list, err := s.conn.GetSetElements(set.define(s.table))
	if err != nil {
		return nil, fmt.Errorf("elements of %s: %w", set.name, err)
	}
	found := make(elements, len(list))
	for _, e := range list {
		data := string(e.Val)
		if set.verdicts() {
			data = targetOf(e.Val)
		}
		found[set.held(e)] = data
	}
	return found, nil
}

// targetOf returns the chain that a verdict goes to, or what is none of orc's
// chains.
func targetOf(verdict []byte) string {
	attributes, err := parse(verdict)
	if err != nil {
		return err.Error()
	}
	code, chain := attributes[unix.NFTA_VERDICT_CODE], attributes[unix.NFTA_VERDICT_CHAIN]
	if len(code) != 4 || int32(binary.BigEndian.Uint32(code)) != int32(expr.VerdictGoto) {
		return fmt.Sprintf("verdict %x", code)
	}
	return strings.TrimRight(string(chain), "\x00")
}

// readRules reads the expressions of all rules, by chain. The library skips expressions
// that it does not know: these are as the kernel has them.
func (s *space) readRules() (map[string][][]byte, error) {
	of, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_RULE_TABLE, Data: []byte(tableName + "\x00")}})
	if err != nil {
		return nil, err
	}
	replies, err := s.socket.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE,
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append([]byte{unix.NFPROTO_IPV4, unix.NFNETLINK_V0, 0, 0}, of...),
	})
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	found := make(map[string][][]byte)
	for _, reply := range replies {
		attributes, err := parse(reply.Data[4:])
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		chain := strings.TrimRight(string(attributes[unix.NFTA_RULE_CHAIN]), "\x00")
		found[chain] = append(found[chain], attributes[unix.NFTA_RULE_EXPRESSIONS])
	}
	return found, nil
}

// sameRules reports whether rules are those that are meant. The kernel tells more
// than it was told: defaults, and what it counted. So each attribute that is meant
// has to be there, and no expression more.
func sameRules(meant []rule, found [][]byte) (bool, error) {
	if len(meant) != len(found) {
		return false, nil
	}
	for i, rule := range meant {
		expressions, err := list(found[i])
		if err != nil || len(expressions) != len(rule) {
			return false, err
		}
		for j, expression := range rule {
			written, err := marshal(expression)
			if err != nil {
				return false, err
			}
			if !says(expressions[j], written) {
				return false, nil
			}
		}
	}
	return true, nil
}

// says reports whether attributes have all that is meant; zero is what is meant by
// those that are left out.
func says(found, meant []byte) bool {
	f, err := parse(found)
	if err != nil {
		return false
	}
	m, err := netlink.UnmarshalAttributes(meant)
	if err != nil {
		return false
	}
	for _, a := range m {
		value, there := f[kindOf(a)]
		switch {
		case !there && len(bytes.Trim(a.Data, "\x00")) == 0:
		case there && bytes.Equal(value, a.Data):
		case there && a.Type&unix.NLA_F_NESTED != 0 && says(value, a.Data):
		default:
			return false
		}
	}
	return true
}

// parse splits attributes of netlink by their kind.
func parse(b []byte) (map[uint16][]byte, error) {
	attributes, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return nil, err
	}
	parsed := make(map[uint16][]byte, len(attributes))
	for _, a := range attributes {
		parsed[kindOf(a)] = a.Data
	}
	return parsed, nil
}

func kindOf(a netlink.Attribute) uint16 {
	return a.Type &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
}

// list splits attributes of netlink in order.
func list(b []byte) ([][]byte, error) {
	attributes, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(attributes))
	for i, a := range attributes {
		values[i] = a.Data
	}
	return values, nil
}
