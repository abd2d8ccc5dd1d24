package rules

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// check reads the table back and tells in words where it is not as it is meant to
// be; nothing if it is.
func (s *space) check(c content, chains map[string]chain) ([]string, error) {
	differences, err := s.differences(c, chains)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read nftables of the %s: %w", s.name, err), s.connect())
	}
	return differences, nil
}

func (s *space) differences(c content, chains map[string]chain) ([]string, error) {
	tables, err := s.conn.ListTablesOfFamily(s.table.Family)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == s.table.Name }) {
		return []string{"there is no table"}, nil
	}
	sets, err := s.conn.GetSets(s.table)
	if err != nil {
		return nil, err
	}
	differences := s.compareSets(sets)
	if len(differences) > 0 {
		return differences, nil
	}
	for _, set := range s.sets {
		found, err := s.elements(set)
		if err != nil {
			return nil, err
		}
		if missing := len(without(c.sets[set.name], found)); missing > 0 {
			differences = append(differences, fmt.Sprintf("set %s: %d elements are missing or changed", set.name, missing))
		}
		if foreign := len(without(found, c.sets[set.name])); foreign > 0 {
			differences = append(differences, fmt.Sprintf("set %s: %d elements are not orc's", set.name, foreign))
		}
	}

	meant := maps.Clone(chains)
	for class := range c.classes {
		meant[class.chain()] = chain{rules: class.rules()}
	}
	found, err := s.conn.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return nil, err
	}
	differences = append(differences, compareChains(meant, slices.DeleteFunc(found, func(c *nftables.Chain) bool { return c.Table.Name != tableName }))...)
	rules, err := s.rules()
	if err != nil {
		return nil, err
	}
	for name, chain := range meant {
		same, err := sameRules(chain.rules, rules[name])
		if err != nil {
			return nil, err
		}
		if !same {
			differences = append(differences, fmt.Sprintf("chain %s: its rules have changed", name))
		}
	}
	slices.Sort(differences)
	return differences, nil
}

// compareSets looks for each set, and for others.
func (s *space) compareSets(found []*nftables.Set) []string {
	var differences []string
	meant := make(map[string]*nftables.Set)
	for _, set := range s.sets {
		meant[set.name] = set.define(s.table)
	}
	for _, f := range found {
		m, known := meant[f.Name]
		switch {
		case !known:
			differences = append(differences, fmt.Sprintf("set %s is not orc's", f.Name))
		case f.IsMap != m.IsMap || f.Interval != m.Interval || f.Concatenation != m.Concatenation:
			differences = append(differences, fmt.Sprintf("set %s is another one", f.Name))
		}
		delete(meant, f.Name)
	}
	for name := range meant {
		differences = append(differences, fmt.Sprintf("set %s is missing", name))
	}
	return differences
}

// compareChains looks for each chain and its place, and for others.
func compareChains(meant map[string]chain, found []*nftables.Chain) []string {
	var differences []string
	left := maps.Clone(meant)
	for _, f := range found {
		m, known := left[f.Name]
		switch {
		case !known:
			differences = append(differences, fmt.Sprintf("chain %s is not orc's", f.Name))
		case !sameBase(m.base, f):
			differences = append(differences, fmt.Sprintf("chain %s is in another place", f.Name))
		}
		delete(left, f.Name)
	}
	for name := range left {
		differences = append(differences, fmt.Sprintf("chain %s is missing", name))
	}
	return differences
}

func sameBase(meant *base, found *nftables.Chain) bool {
	if meant == nil || found.Hooknum == nil {
		return meant == nil && found.Hooknum == nil
	}
	return found.Type == meant.kind && *found.Hooknum == *meant.hook && *found.Priority == *meant.priority &&
		found.Policy != nil && *found.Policy == meant.policy
}

// elements reads a set's.
func (s *space) elements(set set) (elements, error) {
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

// rules reads the expressions of all rules, by chain. The library skips expressions
// that it does not know: these are as the kernel has them.
func (s *space) rules() (map[string][][]byte, error) {
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
			written, err := expr.Marshal(unix.NFPROTO_IPV4, expression)
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
