package wire

import "encoding/binary"

// items counts the data items in CBOR (RFC 8949, section 3) without decoding it.
// What is not well-formed has some number: it is for the decoder to refuse.
func items(data []byte) int {
	count := 0
	for len(data) > 0 {
		count++
		major, argument, size := head(data)
		left := uint64(len(data))
		if size > left {
			return count
		}
		if major == 2 || major == 3 { // a string's bytes are no items
			if argument > left-size {
				return count
			}
			size += argument
		}
		data = data[size:]
	}
	return count
}

// head reads the beginning of an item: its major type, its argument, and how many
// bytes both take.
func head(data []byte) (major byte, argument, size uint64) {
	major, short := data[0]>>5, data[0]&0x1f
	if short < 24 || short > 27 { // in the byte itself; or an indefinite length, or none
		if short > 27 {
			short = 0
		}
		return major, uint64(short), 1
	}
	width := 1 << (short - 24)
	if len(data) <= width {
		return major, 0, uint64(len(data)) + 1
	}
	var padded [8]byte
	copy(padded[8-width:], data[1:1+width])
	return major, binary.BigEndian.Uint64(padded[:]), uint64(1 + width)
}
