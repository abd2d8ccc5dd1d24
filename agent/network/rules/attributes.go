package rules

import "encoding/binary"

// attributes are what a message of netlink says, as the kernel reads it: length, kind and
// value of each, padded to four bytes. Numbers are those of the network.
type attributes []byte

// add adds one. A length has 16 bits.
func (a *attributes) add(kind uint16, value []byte) {
	a.nest(kind, func() { *a = append(*a, value...) })
}

func (a *attributes) number(kind uint16, n uint32) {
	a.nest(kind, func() { *a = binary.BigEndian.AppendUint32(*a, n) })
}

func (a *attributes) text(kind uint16, s string) {
	a.nest(kind, func() { *a = append(append(*a, s...), 0) })
}

// nest adds one whose value a function writes, attributes as a rule.
func (a *attributes) nest(kind uint16, write func()) {
	start := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	write()
	binary.NativeEndian.PutUint16((*a)[start:], uint16(len(*a)-start))
	binary.NativeEndian.PutUint16((*a)[start+2:], kind)
	for len(*a)%4 != 0 {
		*a = append(*a, 0)
	}
}
