package seal

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/orc-project/orc/api"
)

// Wrap is a key that other keys are encrypted with before they go to a disk. The
// zero Wrap is none.
type Wrap struct {
	by  string
	key [KeySize]byte
}

// Who keeps the key that wraps others.
const (
	byNode     = "node-key"   // a file beside the ring
	byOperator = "unlock-key" // an operator, who gives it when it is needed
)

const unlockPrefix = "ORC-UNLOCK-1-"

var unlockEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NodeKey reads the node's own key from the file, which it makes (mode 0600) if
// there is none.
func NodeKey(path string) (Wrap, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(unlockEncoding.EncodeToString(random(KeySize)) + "\n")
		err = writePrivate(path, text)
	}
	if err != nil {
		return Wrap{}, fmt.Errorf("node key: %w", err)
	}
	key, err := unlockEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != KeySize {
		return Wrap{}, fmt.Errorf("node key: %s is damaged", path)
	}
	return Wrap{by: byNode, key: [KeySize]byte(key)}, nil
}

// NewUnlockKey makes a key for an operator to keep, and the text of it.
func NewUnlockKey() (Wrap, string) {
	key := random(KeySize)
	return Wrap{by: byOperator, key: [KeySize]byte(key)}, unlockPrefix + unlockEncoding.EncodeToString(key)
}

// UnlockKey reads the text that NewUnlockKey returned.
func UnlockKey(text string) (Wrap, error) {
	body, found := strings.CutPrefix(strings.TrimSpace(text), unlockPrefix)
	key, err := unlockEncoding.DecodeString(body)
	if !found || err != nil || len(key) != KeySize {
		return Wrap{}, api.Invalidf("this is not an unlock key: it begins with %s", unlockPrefix)
	}
	return Wrap{by: byOperator, key: [KeySize]byte(key)}, nil
}

// ID tells keys apart without telling anything of them.
func (w Wrap) ID() string {
	sum := sha256.Sum256(append([]byte("orc key ID\x00"), w.key[:]...))
	return hex.EncodeToString(sum[:6])
}

// Seal encrypts a secret for the purpose, which is authenticated with it.
func (w Wrap) Seal(purpose string, plain []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(w.key[:])
	if err != nil {
		return nil, fmt.Errorf("wrap a key: %w", err)
	}
	nonce := random(aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, []byte(purpose)), nil
}

// Open decrypts what Seal returned for the same purpose. What was changed, and
// what another key sealed, are both ErrDamaged: they cannot be told apart.
func (w Wrap) Open(purpose string, sealed []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(w.key[:])
	if err != nil {
		return nil, fmt.Errorf("unwrap a key: %w", err)
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrDamaged
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(purpose))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}
