package rules

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// original is an expression about a connection's first direction alone. The library
// has it, but leaves the direction out of what it writes.
type original struct{ *expr.Ct }

// marshal writes an expression as the kernel reads it.
func marshal(e expr.Any) ([]byte, error) {
	o, is := e.(original)
	if !is {
		return expr.Marshal(unix.NFPROTO_IPV4, e)
	}
	const direction = 0 // IP_CT_DIR_ORIGINAL
	var written attributes
	written.text(unix.NFTA_EXPR_NAME, "ct")
	written.nest(unix.NLA_F_NESTED|unix.NFTA_EXPR_DATA, func() {
		written.number(unix.NFTA_CT_KEY, uint32(o.Key))
		written.number(unix.NFTA_CT_SREG, o.Register)
		written.add(unix.NFTA_CT_DIRECTION, []byte{direction})
	})
	return written, nil
}
