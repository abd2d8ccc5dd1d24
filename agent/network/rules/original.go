package rules

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// original is an expression about a connection's first direction alone. The library
// has it, but leaves the direction out of what it writes: rules with such
// expressions are written here.
type original struct{ *expr.Ct }

// marshal writes an expression as the kernel reads it.
func marshal(e expr.Any) ([]byte, error) {
	o, is := e.(original)
	if !is {
		return expr.Marshal(unix.NFPROTO_IPV4, e)
	}
	const direction = 0 // IP_CT_DIR_ORIGINAL
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.BigEndian
	encoder.String(unix.NFTA_EXPR_NAME, "ct")
	encoder.Nested(unix.NFTA_EXPR_DATA, func(data *netlink.AttributeEncoder) error {
		data.Uint32(unix.NFTA_CT_KEY, uint32(o.Key))
		data.Uint32(unix.NFTA_CT_SREG, o.Register)
		data.Uint8(unix.NFTA_CT_DIRECTION, direction)
		return nil
	})
	return encoder.Encode()
}

// own says that the library cannot write a rule.
func (r rule) own() bool {
	return slices.ContainsFunc(r, func(e expr.Any) bool { _, is := e.(original); return is })
}

// noteOwn notes that a rule is added to a chain, which has no others.
func (s *space) noteOwn(chain string, r rule) error {
	encoder := netlink.NewAttributeEncoder()
	encoder.String(unix.NFTA_RULE_TABLE, tableName)
	encoder.String(unix.NFTA_RULE_CHAIN, chain)
	encoder.Nested(unix.NFTA_RULE_EXPRESSIONS, func(list *netlink.AttributeEncoder) error {
		for _, e := range r {
			data, err := marshal(e)
			if err != nil {
				return err
			}
			list.Bytes(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, data)
		}
		return nil
	})
	data, err := encoder.Encode()
	if err != nil {
		return fmt.Errorf("write a rule of chain %s: %w", chain, err)
	}
	s.own = append(s.own, netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE,
			Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Append,
		},
		Data: append(header(unix.NFPROTO_IPV4, 0), data...),
	})
	return nil
}

// commitOwn sends the rules that were noted, as a transaction of their own: the
// library has one for all else.
func (s *space) commitOwn() error {
	rules := s.own
	s.own = nil
	if len(rules) == 0 {
		return nil
	}
	mark := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request},
			Data:   header(unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES),
		}
	}
	batch := slices.Concat([]netlink.Message{mark(unix.NFNL_MSG_BATCH_BEGIN)}, rules, []netlink.Message{mark(unix.NFNL_MSG_BATCH_END)})
	if _, err := s.socket.SendMessages(batch); err != nil {
		return err
	}
	for range rules {
		if _, err := s.socket.Receive(); err != nil {
			return err
		}
	}
	return nil
}

// header is what messages of netfilter begin with (struct nfgenmsg).
func header(family uint8, resource uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
}
