package api

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Constraint is one condition on a node, as "node.labels.zone==a".
type Constraint struct {
	Key    string // node.id, node.labels.zone, …
	Op     string // ==, !=, in, not in, <, >
	Values []string
}

// constraintKeys are the keys with nothing after them.
var constraintKeys = []string{"node.id", "node.hostname", "node.role", "node.ip", "node.platform.os", "node.platform.arch"}

// constraintPrefixes are the keys that a label's name follows.
var constraintPrefixes = []string{"node.labels.", "engine.labels."}

// ParseConstraint reads KEY==VALUE, KEY!=VALUE, KEY<N, KEY>N, KEY in (A, B) and
// KEY not in (A, B).
func ParseConstraint(text string) (Constraint, error) {
	c, ok := splitConstraint(text)
	if !ok {
		return Constraint{}, Invalidf("constraint %q: want something like node.labels.zone==a, or: node.role in (manager, worker)", text)
	}
	if !validConstraintKey(c.Key) {
		return Constraint{}, Invalidf("constraint %q: %s is not a key: use %s, node.labels.NAME or engine.labels.NAME",
			text, c.Key, strings.Join(constraintKeys, ", "))
	}
	if slices.Contains(c.Values, "") {
		return Constraint{}, Invalidf("constraint %q: a value is missing", text)
	}
	if c.Op == "<" || c.Op == ">" {
		if _, err := strconv.ParseFloat(c.Values[0], 64); err != nil {
			return Constraint{}, Invalidf("constraint %q: %s compares numbers, and %q is none", text, c.Op, c.Values[0])
		}
	}
	if c.Key == "node.ip" {
		for _, value := range c.Values {
			if _, err := parseIPOrPrefix(value); err != nil {
				return Constraint{}, Invalidf("constraint %q: %q is neither an address nor a CIDR", text, value)
			}
		}
	}
	return c, nil
}

func splitConstraint(text string) (Constraint, bool) {
	text = strings.TrimSpace(text)
	for _, op := range []string{" not in ", " in "} {
		key, list, found := strings.Cut(text, op)
		if !found {
			continue
		}
		list = strings.TrimSpace(list)
		if len(list) < 2 || list[0] != '(' || list[len(list)-1] != ')' {
			return Constraint{}, false
		}
		var values []string
		for _, value := range strings.Split(list[1:len(list)-1], ",") {
			values = append(values, strings.TrimSpace(value))
		}
		return Constraint{Key: strings.TrimSpace(key), Op: strings.TrimSpace(op), Values: values}, true
	}
	at := strings.IndexAny(text, "=!<>")
	if at <= 0 {
		return Constraint{}, false
	}
	for _, op := range []string{"==", "!=", "<", ">"} {
		if value, found := strings.CutPrefix(text[at:], op); found {
			return Constraint{Key: strings.TrimSpace(text[:at]), Op: op, Values: []string{strings.TrimSpace(value)}}, true
		}
	}
	return Constraint{}, false
}

func validConstraintKey(key string) bool {
	return slices.Contains(constraintKeys, key) || slices.ContainsFunc(constraintPrefixes, func(prefix string) bool {
		return strings.HasPrefix(key, prefix) && len(key) > len(prefix)
	})
}

// Match says whether a node meets the constraint. info is what the node told of
// itself; a missing label is the empty string. Values compare as Swarm's do:
// without regard to case.
func (c Constraint) Match(node *Node, info *NodeInfo) bool {
	if c.Key == "node.ip" {
		return c.matchAddress(info.Address)
	}
	value := NodeAttribute(c.Key, node, info)
	equal := func(want string) bool { return strings.EqualFold(value, want) }
	switch c.Op {
	case "==", "in":
		return slices.ContainsFunc(c.Values, equal)
	case "!=", "not in":
		return !slices.ContainsFunc(c.Values, equal)
	}
	have, err := strconv.ParseFloat(value, 64)
	want, wantErr := strconv.ParseFloat(c.Values[0], 64)
	if err != nil || wantErr != nil {
		return false
	}
	return cmp.Compare(have, want) == map[string]int{"<": -1, ">": 1}[c.Op]
}

func (c Constraint) matchAddress(address netip.Addr) bool {
	within := slices.ContainsFunc(c.Values, func(value string) bool {
		prefix, err := parseIPOrPrefix(value)
		return err == nil && prefix.Contains(address)
	})
	return within == (c.Op == "==" || c.Op == "in")
}

// String is the form that ParseConstraint reads.
func (c Constraint) String() string {
	if c.Op == "in" || c.Op == "not in" {
		return c.Key + " " + c.Op + " (" + strings.Join(c.Values, ", ") + ")"
	}
	return c.Key + c.Op + c.Values[0]
}

// NodeAttribute is a node's value of a constraint's or preference's key, and "" of
// a label that it does not have.
func NodeAttribute(key string, node *Node, info *NodeInfo) string {
	switch key {
	case "node.id":
		return node.ID
	case "node.hostname":
		return node.Name
	case "node.role":
		return string(node.Role)
	case "node.ip":
		return info.Address.String()
	case "node.platform.os":
		return info.Platform.OS
	case "node.platform.arch":
		return info.Platform.Arch
	}
	if label, ok := strings.CutPrefix(key, "node.labels."); ok {
		return node.Labels[label]
	}
	if label, ok := strings.CutPrefix(key, "engine.labels."); ok {
		return info.Engine[label]
	}
	return ""
}

func parseIPOrPrefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
