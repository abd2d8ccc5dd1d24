package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/orc-project/orc/api"
)

// Channel says what a Frame carries.
type Channel byte

// The channels of a stream.
const (
	Stdin    Channel = 0
	Stdout   Channel = 1
	Stderr   Channel = 2
	StdinEnd Channel = 3 // no payload: end of input
	Resize   Channel = 4 // width and height, two big-endian uint16
	Exit     Channel = 5 // exit code, a big-endian int32
	Error    Channel = 6 // a CBOR api.Error
	Data     Channel = 7
	End      Channel = 8 // no payload: nothing more in this direction
)

// MaxFrame is the largest payload of a Frame, in bytes.
const MaxFrame = 1 << 20

// WriteFrame writes channel, length (4 bytes, big endian) and payload in one
// Write. Larger payloads than MaxFrame are an error.
func WriteFrame(w io.Writer, channel Channel, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("write frame: %d bytes are more than %d", len(payload), MaxFrame)
	}
	frame := make([]byte, 5+len(payload))
	frame[0] = byte(channel)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	copy(frame[5:], payload)
	_, err := w.Write(frame)
	return err
}

// ReadFrame reads what WriteFrame wrote. io.EOF means an end between two frames.
func ReadFrame(r io.Reader) (Channel, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > MaxFrame {
		return 0, nil, fmt.Errorf("read frame: %d bytes are more than %d", size, MaxFrame)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF)
	}
	return Channel(head[0]), payload, nil
}

// WriteError sends an error as the last frame.
func WriteError(w io.Writer, err error) error {
	payload, encodeErr := Marshal(api.Error{Code: api.CodeOf(err), Message: err.Error()})
	if encodeErr != nil {
		return encodeErr
	}
	return WriteFrame(w, Error, payload)
}
