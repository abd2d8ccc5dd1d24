package seal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed value is
//
//	format (1 byte) │ key ID (4, big endian) │ nonce (24) │ ciphertext │ tag (16)
//
// with format, key ID and what it is stored under as associated data.
const (
	format     = 1
	headerSize = 1 + 4
	// Overhead is by how many bytes a sealed value is longer than the value.
	Overhead = headerSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// The errors of Open, to be told with errors.Is.
var (
	// ErrDamaged: changed, cut, moved from elsewhere, or never sealed.
	ErrDamaged = errors.New("the value is damaged or does not belong here")
	// ErrUnknownKey: sealed with a key that the ring does not have.
	ErrUnknownKey = errors.New("the key ring lacks the key of the value")
)

// Seal encrypts a value that is to be stored under where.
func (r *Ring) Seal(where string, value []byte) []byte {
	r.mu.RLock()
	id := r.active
	key := r.keys[id]
	r.mu.RUnlock()
	out := make([]byte, headerSize+chacha20poly1305.NonceSizeX, Overhead+len(value))
	out[0] = format
	binary.BigEndian.PutUint32(out[1:], id)
	nonce := out[headerSize:]
	copy(nonce, random(len(nonce)))
	return key.aead.Seal(out, nonce, value, associated(out[:headerSize], where))
}

// Open decrypts what Seal returned for the same where.
func (r *Ring) Open(where string, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != format {
		return nil, fmt.Errorf("open %s: %w", where, ErrDamaged)
	}
	id := binary.BigEndian.Uint32(sealed[1:])
	r.mu.RLock()
	key, found := r.keys[id]
	r.mu.RUnlock()
	if !found {
		return nil, fmt.Errorf("open %s: key %d: %w", where, id, ErrUnknownKey)
	}
	body := sealed[headerSize:]
	nonce := body[:chacha20poly1305.NonceSizeX]
	value, err := key.aead.Open(nil, nonce, body[len(nonce):], associated(sealed[:headerSize], where))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", where, ErrDamaged)
	}
	return value, nil
}

// Stale says whether another key than the present one sealed a value.
func (r *Ring) Stale(sealed []byte) bool {
	return len(sealed) < Overhead || binary.BigEndian.Uint32(sealed[1:]) != r.Active()
}

func associated(header []byte, where string) []byte {
	return append(append(make([]byte, 0, len(header)+len(where)), header...), where...)
}
