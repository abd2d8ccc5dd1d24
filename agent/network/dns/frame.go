package dns

import (
	"encoding/binary"
	"fmt"
	"io"
)

// readFrame reads a message as it is sent over TCP, behind its length (RFC 1035,
// section 4.2.2).
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(length[:]))
	if size > limit {
		return nil, fmt.Errorf("a message of %d bytes is too long", size)
	}
	packet := make([]byte, size)
	_, err := io.ReadFull(r, packet)
	return packet, err
}

// writeFrame writes length and message at once, so that they travel together (RFC
// 7766, section 8).
func writeFrame(w io.Writer, packet []byte) error {
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packet)), uint16(len(packet)))
	_, err := w.Write(append(frame, packet...))
	return err
}
