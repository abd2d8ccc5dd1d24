// Package seal encrypts what the database keeps, so that neither its files nor
// its snapshots tell anything, and turns names into tags that can be compared but
// not read. It holds the keys in memory and in one file; it never knows what it
// seals and never sends a key anywhere.
//
// Values are sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose
// random 24-byte nonces never run out, however many values a key seals. AES-GCM
// was rejected: its random nonces bound a key to 2^32 values (NIST SP 800-38D).
// What a value is stored under is authenticated with it, so that values cannot
// change places.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the length of every key, in bytes.
const KeySize = 32

// Ring holds the data keys. One of them seals; all open. It is safe for use from
// several goroutines.
//
//	Add ──▶ known, opens ──(Use)──▶ seals as well ──(Use of another)──▶ opens ──(Drop)──▶ gone
//
// To rotate, every manager gets the new key first, and only then it is used; when
// all use it, what others sealed is sealed anew; only then they are dropped.
type Ring struct {
	mu     sync.RWMutex
	keys   map[uint32]dataKey
	active uint32
	names  []byte // keys the name tags; never rotated, for tags must stay the same
}

type dataKey struct {
	raw  []byte
	aead cipher.AEAD
}

// NewRing makes a ring with one new key.
func NewRing() *Ring {
	r := &Ring{keys: make(map[uint32]dataKey), names: random(KeySize)}
	r.active = r.Add()
	return r
}

// Add makes a new key and returns its ID. Seal does not use it before Use. IDs are
// random, for two managers may add a key without knowing of each other.
func (r *Ring) Add() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := uint32(0) // which is none's
	for id == 0 || r.keys[id].raw != nil {
		id = binary.BigEndian.Uint32(random(4))
	}
	key, err := newDataKey(random(KeySize))
	if err != nil {
		panic(err) // only a wrong length is an error
	}
	r.keys[id] = key
	return id
}

// Use lets Seal use the key from now on.
func (r *Ring) Use(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.keys[id]; !found {
		return fmt.Errorf("use key %d: the key ring does not have it", id)
	}
	r.active = id
	return nil
}

// Drop forgets a key. What it sealed cannot be opened any more, so write all
// values anew before.
func (r *Ring) Drop(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.active {
		return fmt.Errorf("drop key %d: it is in use", id)
	}
	delete(r.keys, id)
	return nil
}

// Learn takes over the keys of another manager's ring that this one lacks.
func (r *Ring) Learn(other *Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	other.mu.RLock()
	defer other.mu.RUnlock()
	for id, key := range other.keys {
		if _, found := r.keys[id]; !found {
			r.keys[id] = key
		}
	}
}

// During runs act and returns a copy of the ring with every key that it had before or
// has after: what is read meanwhile is sealed with one of them, though a rotation drops
// it or begins to use another.
func (r *Ring) During(act func() error) (*Ring, error) {
	before := r.copy()
	err := act()
	after := r.copy()
	after.Learn(before)
	return after, err
}

func (r *Ring) copy() *Ring {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Ring{keys: maps.Clone(r.keys), active: r.active, names: r.names}
}

// Has says whether the ring has the key.
func (r *Ring) Has(id uint32) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, found := r.keys[id]
	return found
}

// Active is the ID of the key that seals.
func (r *Ring) Active() uint32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.active
}

// IDs are those of the keys, in order.
func (r *Ring) IDs() []uint32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.keys))
}

// Tag returns what stands for a name in a key of the database: equal for equal
// kinds and names, and telling nothing to who does not have the ring. It is 32
// characters long (HMAC-SHA-256, RFC 2104, cut to 192 bits).
func (r *Ring) Tag(kind, name string) string {
	mac := hmac.New(sha256.New, r.names)
	mac.Write([]byte(kind + "\x00" + name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
}

// Derive returns 16 bytes for a purpose: always the same, and nothing that tells
// of the keys or of another purpose's (HKDF-SHA-256, RFC 5869). Like tags it
// outlasts the rotation of keys, so the purpose should have something random in it.
func (r *Ring) Derive(purpose string) [16]byte {
	derived, err := hkdf.Key(sha256.New, r.names, nil, "orc derived\x00"+purpose, 16)
	if err != nil {
		panic(err) // only a wrong length is an error
	}
	return [16]byte(derived)
}

// ringForm is how a ring is written.
type ringForm struct {
	Keys   map[uint32][]byte `json:"keys"`
	Active uint32            `json:"active"`
	Names  []byte            `json:"names"`
}

// Marshal returns the ring with its keys in the clear: for another manager, over
// a connection that is safe, and for Save.
func (r *Ring) Marshal() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	form := ringForm{Keys: make(map[uint32][]byte, len(r.keys)), Active: r.active, Names: r.names}
	for id, key := range r.keys {
		form.Keys[id] = key.raw
	}
	return json.Marshal(form)
}

// Unmarshal makes a ring of what Marshal returned.
func Unmarshal(data []byte) (*Ring, error) {
	var form ringForm
	if err := json.Unmarshal(data, &form); err != nil {
		return nil, errors.New("key ring: it is damaged") // not the cause: it may quote a key
	}
	if form.Keys[form.Active] == nil || len(form.Names) != KeySize {
		return nil, errors.New("key ring: a key is missing in it")
	}
	r := &Ring{keys: make(map[uint32]dataKey, len(form.Keys)), active: form.Active, names: form.Names}
	for id, raw := range form.Keys {
		key, err := newDataKey(raw)
		if err != nil {
			return nil, fmt.Errorf("key ring: key %d: %w", id, err)
		}
		r.keys[id] = key
	}
	return r, nil
}

func newDataKey(raw []byte) (dataKey, error) {
	aead, err := chacha20poly1305.NewX(raw)
	return dataKey{raw: raw, aead: aead}, err
}

func random(size int) []byte {
	b := make([]byte, size)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
