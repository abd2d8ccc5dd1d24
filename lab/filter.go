package lab

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Drop is frames that the switch forwards no more: those that come from a node and go
// to another. An empty name is any, the host too.
type Drop struct {
	From, To string
	// Percent of them, by chance; 0 is all.
	Percent uint32
}

// Filter lets the switch drop frames until Unfilter is called with the same name.
// Cables stay in: nobody is told, other than by what does not come.
func (l *Lab) Filter(name string, drops ...Drop) error {
	return inNamespace(l.namespace(bridge), func() error {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("filter %s: %w", name, err)
		}
		table := c.AddTable(filterTable(name))
		chain := c.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, drop := range drops {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: drop.expressions()})
		}
		if err := c.Flush(); err != nil {
			return fmt.Errorf("filter %s: %w", name, err)
		}
		return nil
	})
}

// Unfilter ends a Filter. There may be none.
func (l *Lab) Unfilter(name string) error {
	return inNamespace(l.namespace(bridge), func() error {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("end filter %s: %w", name, err)
		}
		c.DelTable(filterTable(name))
		if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("end filter %s: %w", name, err)
		}
		return nil
	})
}

func filterTable(name string) *nftables.Table {
	return &nftables.Table{Name: name, Family: nftables.TableFamilyBridge}
}

// expressions are: iifname From oifname To numgen random mod 100 < Percent drop.
func (d Drop) expressions() []expr.Any {
	var all []expr.Any
	for _, port := range []struct {
		key  expr.MetaKey
		name string
	}{{expr.MetaKeyIIFNAME, d.From}, {expr.MetaKeyOIFNAME, d.To}} {
		if port.name == "" {
			continue
		}
		name := make([]byte, unix.IFNAMSIZ)
		copy(name, port.name)
		all = append(all, &expr.Meta{Key: port.key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name})
	}
	if d.Percent > 0 {
		all = append(all,
			&expr.Numgen{Register: 1, Modulus: 100, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(d.Percent)},
		)
	}
	return append(all, &expr.Verdict{Kind: expr.VerdictDrop})
}
