package rules

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// transaction is what the kernel is to change in orc's table: all of it, or nothing. It is
// orc's own, since the library's cannot have all of orc's rules (see original).
type transaction []netlink.Message

// note adds a message.
func (t *transaction) note(kind int, flags netlink.HeaderFlags, write func(*attributes)) {
	says := attributes(header(unix.NFPROTO_IPV4, 0))
	write(&says)
	*t = append(*t, netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | flags},
		Data:   says,
	})
}

// addTable adds the table, deleteTable deletes it with all that it has.
func (t *transaction) addTable() {
	t.note(unix.NFT_MSG_NEWTABLE, netlink.Create, func(a *attributes) { a.text(unix.NFTA_TABLE_NAME, tableName) })
}

func (t *transaction) deleteTable() {
	t.note(unix.NFT_MSG_DELTABLE, 0, func(a *attributes) { a.text(unix.NFTA_TABLE_NAME, tableName) })
}

// removeTable is deleteTable, but no error if there is none.
func (t *transaction) removeTable() {
	t.addTable()
	t.deleteTable()
}

// addSet adds a set without elements. Each of a transaction has another number.
func (t *transaction) addSet(s set, number uint32) {
	defined := s.define(nil)
	var flags uint32
	for flag, is := range map[uint32]bool{
		unix.NFT_SET_MAP: defined.IsMap, unix.NFT_SET_INTERVAL: defined.Interval, nftables.NFT_SET_CONCAT: defined.Concatenation,
	} {
		if is {
			flags |= flag
		}
	}
	t.note(unix.NFT_MSG_NEWSET, netlink.Create, func(a *attributes) {
		a.text(unix.NFTA_SET_TABLE, tableName)
		a.text(unix.NFTA_SET_NAME, s.name)
		a.number(unix.NFTA_SET_ID, number)
		a.number(unix.NFTA_SET_FLAGS, flags)
		a.number(unix.NFTA_SET_KEY_TYPE, defined.KeyType.GetNFTMagic()) // for the `nft` command
		a.number(unix.NFTA_SET_KEY_LEN, defined.KeyType.Bytes)
		switch {
		case s.verdicts():
			a.number(unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
		case s.data != nil:
			a.number(unix.NFTA_SET_DATA_TYPE, defined.DataType.GetNFTMagic())
			a.number(unix.NFTA_SET_DATA_LEN, defined.DataType.Bytes)
		}
		if defined.Concatenation {
			a.nest(unix.NLA_F_NESTED|unix.NFTA_SET_DESC, func() {
				a.nest(unix.NLA_F_NESTED|nftables.NFTA_SET_DESC_CONCAT, func() {
					for _, part := range s.key {
						const length = 1 // NFTA_SET_FIELD_LEN
						a.nest(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, func() { a.number(length, part.Bytes) })
					}
				})
			})
		}
	})
}

func (t *transaction) deleteSet(name string) {
	t.note(unix.NFT_MSG_DELSET, 0, func(a *attributes) {
		a.text(unix.NFTA_SET_TABLE, tableName)
		a.text(unix.NFTA_SET_NAME, name)
	})
}

// batch is how many elements go into one message: its length is a number of 16 bits.
const batch = 400

func (t *transaction) addElements(sets []set, elements map[string]elements) {
	t.noteElements(unix.NFT_MSG_NEWSETELEM, netlink.Create, sets, elements)
}

func (t *transaction) deleteElements(sets []set, elements map[string]elements) {
	t.noteElements(unix.NFT_MSG_DELSETELEM, 0, sets, elements)
}

// change deletes and adds elements.
func (t *transaction) change(sets []set, c change) {
	t.deleteElements(sets, c.gone)
	t.addElements(sets, c.added)
}

// noteElements notes that elements of sets are added or deleted, those of intervals in
// order.
func (t *transaction) noteElements(kind int, flags netlink.HeaderFlags, sets []set, elements map[string]elements) {
	for _, set := range sets {
		keys := make([]string, 0, len(elements[set.name]))
		for key := range elements[set.name] {
			keys = append(keys, key)
		}
		if set.kind == prefixes {
			slices.SortFunc(keys, strings.Compare)
		}
		for some := range slices.Chunk(keys, batch) {
			t.note(kind, flags, func(a *attributes) {
				a.text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
				a.text(unix.NFTA_SET_ELEM_LIST_SET, set.name)
				a.nest(unix.NLA_F_NESTED|unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
					for _, key := range some {
						a.nest(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, func() { set.write(a, key, elements[set.name][key]) })
					}
				})
			})
		}
	}
}

// write writes an element.
func (s set) write(a *attributes, key, data string) {
	value := func(kind uint16, value string) {
		a.nest(unix.NLA_F_NESTED|kind, func() { a.nest(unix.NFTA_DATA_VALUE, func() { *a = append(*a, value...) }) })
	}
	switch s.kind {
	case exact:
		value(unix.NFTA_SET_ELEM_KEY, key)
	case prefixes:
		if key[len(key)-1:] == ended {
			a.number(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
		}
		value(unix.NFTA_SET_ELEM_KEY, key[:len(key)-1])
	case pairs:
		value(unix.NFTA_SET_ELEM_KEY, key[:len(key)/2])
		value(nftables.NFTA_SET_ELEM_KEY_END, key[len(key)/2:])
	}
	switch {
	case s.verdicts():
		goTo := int32(expr.VerdictGoto)
		a.nest(unix.NLA_F_NESTED|unix.NFTA_SET_ELEM_DATA, func() {
			a.nest(unix.NLA_F_NESTED|unix.NFTA_DATA_VERDICT, func() {
				a.number(unix.NFTA_VERDICT_CODE, uint32(goTo))
				a.text(unix.NFTA_VERDICT_CHAIN, data)
			})
		})
	case data != "":
		value(unix.NFTA_SET_ELEM_DATA, data)
	}
}

// addChain adds a chain without rules.
func (t *transaction) addChain(name string, c chain) {
	t.note(unix.NFT_MSG_NEWCHAIN, netlink.Create, func(a *attributes) {
		a.text(unix.NFTA_CHAIN_TABLE, tableName)
		a.text(unix.NFTA_CHAIN_NAME, name)
		if c.base == nil {
			return
		}
		a.text(unix.NFTA_CHAIN_TYPE, string(c.base.kind))
		a.nest(unix.NLA_F_NESTED|unix.NFTA_CHAIN_HOOK, func() {
			a.number(unix.NFTA_HOOK_HOOKNUM, uint32(*c.base.hook))
			a.number(unix.NFTA_HOOK_PRIORITY, uint32(*c.base.priority))
		})
		a.number(unix.NFTA_CHAIN_POLICY, uint32(c.base.policy))
	})
}

// deleteChain deletes a chain that has no rules and that nothing goes to.
func (t *transaction) deleteChain(name string) {
	t.note(unix.NFT_MSG_DELCHAIN, 0, func(a *attributes) {
		a.text(unix.NFTA_CHAIN_TABLE, tableName)
		a.text(unix.NFTA_CHAIN_NAME, name)
	})
}

// addRules adds a chain's rules behind those it has; the chains that they go to are there.
func (t *transaction) addRules(name string, c chain) error {
	for _, rule := range c.rules {
		var err error
		t.note(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, func(a *attributes) {
			a.text(unix.NFTA_RULE_TABLE, tableName)
			a.text(unix.NFTA_RULE_CHAIN, name)
			a.nest(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, func() {
				for _, e := range rule {
					var written []byte
					if written, err = marshal(e); err != nil {
						return
					}
					a.add(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, written)
				}
			})
		})
		if err != nil {
			return fmt.Errorf("write a rule of chain %s: %w", name, err)
		}
	}
	return nil
}

// flushChain deletes a chain's rules.
func (t *transaction) flushChain(name string) {
	t.note(unix.NFT_MSG_DELRULE, 0, func(a *attributes) {
		a.text(unix.NFTA_RULE_TABLE, tableName)
		a.text(unix.NFTA_RULE_CHAIN, name)
	})
}

// send has the kernel do it. After an error the socket may have answers left.
func (t transaction) send(socket *netlink.Conn) error {
	if len(t) == 0 {
		return nil
	}
	mark := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request},
			Data:   header(unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES),
		}
	}
	// Errors are told anyway, in order.
	t[len(t)-1].Header.Flags |= netlink.Acknowledge
	sent, err := socket.SendMessages(slices.Concat(
		[]netlink.Message{mark(unix.NFNL_MSG_BATCH_BEGIN)}, t, []netlink.Message{mark(unix.NFNL_MSG_BATCH_END)}))
	if err != nil {
		return err
	}
	last := sent[len(t)].Header.Sequence
	for {
		answers, err := socket.Receive()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(answers, func(m netlink.Message) bool { return m.Header.Sequence == last }) {
			return nil
		}
	}
}

// header is what messages of netfilter begin with (struct nfgenmsg).
func header(family uint8, resource uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
}
