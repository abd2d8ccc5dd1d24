package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

var (
	encoding = must(cbor.EncOptions{Sort: cbor.SortCanonical, Time: cbor.TimeRFC3339Nano, TextMarshaler: cbor.TextMarshalerTextString}.EncMode())
	strict   = must(limits(cbor.UTF8RejectInvalid).DecMode())
	lenient  = must(limits(cbor.UTF8DecodeInvalid).DecMode())
)

func limits(text cbor.UTF8Mode) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32,
		MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 20,
		TextUnmarshaler: cbor.TextUnmarshalerTextString,
		UTF8:            text,
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // the options above are constants
	}
	return value
}

// Marshal encodes a value as canonical CBOR.
func Marshal(value any) ([]byte, error) { return encoding.Marshal(value) }

// Unmarshal decodes exactly one value; what follows it is an error. Its texts may
// have any bytes, as containers' output has.
func Unmarshal(data []byte, value any) error { return lenient.Unmarshal(data, value) }

// UnmarshalAnswer is Unmarshal for what a node answers a manager, who does not trust it
// with its memory either.
func UnmarshalAnswer(data []byte, value any) error {
	if maxAnswerItems < len(data) && items(data) > maxAnswerItems {
		return fmt.Errorf("decode a node's answer: it has more than %d parts", maxAnswerItems)
	}
	return Unmarshal(data, value)
}

// heartbeat is an empty message: its length, and an empty map.
var heartbeat = []byte{0, 0, 0, 1, 0xa0}

// Beat sends an empty message.
func Beat(w io.Writer) error {
	_, err := w.Write(heartbeat)
	return err
}

// Write sends one message (an Up or a Down): its length, 4 bytes big endian, and
// its CBOR, in one Write.
func Write(w io.Writer, message any) error {
	body, err := Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > MaxMessage {
		return fmt.Errorf("send message: %d bytes are more than %d", len(body), MaxMessage)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// Read receives one message. io.EOF means an end between two messages. What it says
// may be stored: a text that is not UTF-8 is an error.
func Read(r io.Reader, message any) error {
	if _, up := message.(*Up); up {
		return read(r, message, MaxUp, maxUpItems)
	}
	return read(r, message, MaxMessage, MaxMessage)
}

// ReadHello is Read for the first message of a session.
func ReadHello(r io.Reader, up *Up) error { return read(r, up, MaxHello, maxHelloItems) }

// read receives a message of so many bytes and so many data items at most.
func read(r io.Reader, message any, limit uint32, most int) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > limit {
		return fmt.Errorf("receive message: %d bytes are more than %d", size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // it breaks off after its length
		}
		return fmt.Errorf("receive message: %w", err)
	}
	if bytes.Equal(body, heartbeat[4:]) {
		return nil // as most messages: the decoder is not needed
	}
	if most < len(body) && items(body) > most { // an item is a byte at least
		return fmt.Errorf("receive message: it has more than %d parts", most)
	}
	if err := strict.Unmarshal(body, message); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}
