// Package backup is the file of a snapshot: the whole database at one revision,
// with the keys that it is sealed with, in one piece. An operator needs the file
// and the cluster's unlock key to restore it anywhere; who has the file alone
// learns when it was made and how large it is, and cannot change it unnoticed.
//
// It writes and reads files and keeps a folder of them. It never talks to a
// database and does not know what one holds.
//
// # The file
//
//	"orc snapshot 1\n"
//	length of the header (4 bytes, big endian) │ header (JSON, see Header)
//	the database, sealed in chunks (seal.StreamWriter), with all of the above as
//	associated data
//	SHA-256 of everything before
//
// The checksum is for disks and networks: everybody can verify it. Against people
// there are the seals. The key of the chunks is random, and travels in the header
// together with the database's key ring, wrapped by the unlock key.
package backup

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/seal"
)

// Format is the number of the layout. A newer one is refused.
const Format = 1

const (
	magic     = "orc snapshot 1\n"
	maxHeader = 1 << 20 // bytes
	purpose   = "orc snapshot keys"
)

// Header is what anybody can read in a snapshot's file.
type Header struct {
	Format   int       `json:"format"`
	Cluster  string    `json:"cluster"` // api.Cluster.Identity
	Created  time.Time `json:"created"`
	Orc      string    `json:"orc"`      // the version that made it
	Revision int64     `json:"revision"` // of the database
	Size     int64     `json:"size"`     // of the database, in bytes
	// Key is the ID of the unlock key that opens it; Keys are what that wraps.
	Key  string `json:"key"`
	Keys []byte `json:"keys"`
}

// keys is what the unlock key wraps.
type keys struct {
	Stream []byte `json:"stream"` // of the database in this file
	Ring   []byte `json:"ring"`   // seal.Ring.Marshal
}

func wrapKeys(stream []byte, ring *seal.Ring, wrap seal.Wrap) ([]byte, error) {
	plain, err := ring.Marshal()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(keys{Stream: stream, Ring: plain})
	if err != nil {
		return nil, err
	}
	return wrap.Seal(purpose, text)
}

func (h Header) unwrapKeys(wrap seal.Wrap) (stream []byte, ring *seal.Ring, err error) {
	if wrap.ID() != h.Key {
		return nil, nil, api.Invalidf("this is not the unlock key of the snapshot: it is key %s, and the one in force when the snapshot was made was %s", wrap.ID(), h.Key)
	}
	text, err := wrap.Open(purpose, h.Keys)
	if err != nil {
		return nil, nil, damaged("its keys cannot be opened")
	}
	var k keys
	if json.Unmarshal(text, &k) != nil || len(k.Stream) != seal.KeySize {
		return nil, nil, damaged("a key is missing in it")
	}
	ring, err = seal.Unmarshal(k.Ring)
	return k.Stream, ring, err
}

// encode is the beginning of the file.
func (h Header) encode() ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	start := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(text)))
	return append(start, text...), nil
}

// readHeader reads what encode returned, and returns that as well.
func readHeader(in io.Reader) (Header, []byte, error) {
	start := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(in, start); err != nil || string(start[:len(magic)]) != magic {
		return Header{}, nil, api.Invalidf("it is not a snapshot of orc, or of a newer one")
	}
	length := binary.BigEndian.Uint32(start[len(magic):])
	if length > maxHeader {
		return Header{}, nil, damaged("its header is too long")
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return Header{}, nil, damaged("it is cut short")
	}
	var h Header
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&h); err != nil {
		return Header{}, nil, damaged("its header cannot be read")
	}
	if h.Format != Format {
		return Header{}, nil, api.Invalidf("it was made by another orc (%s, format %d; this one knows %d)", h.Orc, h.Format, Format)
	}
	return h, append(start, text...), nil
}

func damaged(how string) error { return api.Invalidf("it is damaged: %s", how) }

// of names the file in an error.
func of(path string, err error) error { return fmt.Errorf("snapshot %s: %w", path, err) }
