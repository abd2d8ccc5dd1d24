package node

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store/seal"
)

// pair is the node's certificate with its private key (PEM), in memory: on the
// disk the key may be sealed. The database wants to read both from a file, and
// gets one that is in memory too.
type pair struct {
	text []byte
	file *os.File // a memfd
	// ring seals the key on the disk; nil leaves it in the clear.
	ring *seal.Ring
}

// sealedKey is the type of the PEM block of a private key that a ring sealed.
const sealedKey = "ORC SEALED PRIVATE KEY"

// set replaces the pair. Who opens the file sees the old one or the new one.
func (p *pair) set(text []byte) error {
	fd, err := unix.MemfdCreate("orc-node-pem", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("keep the node's key in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "node.pem")
	if _, err := file.Write(text); err != nil {
		return errors.Join(fmt.Errorf("keep the node's key in memory: %w", err), file.Close())
	}
	if p.file == nil {
		p.text, p.file = text, file
		return nil
	}
	err = unix.Dup3(fd, int(p.file.Fd()), unix.O_CLOEXEC)
	if err == nil {
		p.text = text
	}
	return errors.Join(err, file.Close())
}

// path is where this process can read the pair.
func (p *pair) path() string { return fmt.Sprintf("/proc/self/fd/%d", p.file.Fd()) }

func (p *pair) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// saveCredentials writes the node's certificate with its key, and its roots.
func (d *directory) saveCredentials(certificate, key, roots []byte) error {
	if err := d.write("roots.crt", roots, 0o644); err != nil {
		return err
	}
	text := slices.Concat(certificate, key)
	if err := d.writePair(text); err != nil {
		return err
	}
	return d.pair.set(text)
}

// protect seals the node's private key on the disk with the ring, or, with nil,
// has it in the clear again. It writes only what is not so yet.
func (d *directory) protect(ring *seal.Ring) error {
	d.pair.ring = ring
	stored, err := os.ReadFile(d.file("node.pem"))
	if err != nil {
		return fmt.Errorf("read the node's credentials: %w", err)
	}
	if ring == nil && bytes.Equal(stored, d.pair.text) {
		return nil
	}
	if block := keyBlock(stored); ring != nil && block.Type == sealedKey && !ring.Stale(block.Bytes) {
		return nil
	}
	return d.writePair(d.pair.text)
}

// writePair writes the pair as it is to be on the disk.
func (d *directory) writePair(text []byte) error {
	if d.pair.ring == nil {
		return d.write("node.pem", text, 0o600)
	}
	block := keyBlock(text)
	sealed := &pem.Block{Type: sealedKey, Bytes: d.pair.ring.Seal("node.pem", pem.EncodeToMemory(block))}
	return d.write("node.pem", append(certificates(text), pem.EncodeToMemory(sealed)...), 0o600)
}

// credentials reads what saveCredentials wrote. ring is nil when there is none.
func (d *directory) credentials(ring *seal.Ring) (*ca.Credentials, error) {
	text, err := os.ReadFile(d.file("node.pem"))
	if err != nil {
		return nil, fmt.Errorf("read the node's credentials: %w", err)
	}
	roots, err := d.roots()
	if err != nil {
		return nil, err
	}
	if block := keyBlock(text); block.Type == sealedKey && ring != nil {
		key, err := ring.Open("node.pem", block.Bytes)
		if err != nil {
			return nil, api.Invalidf("the credentials in %s are damaged: %w", d.path, err)
		}
		d.pair.ring, text = ring, append(certificates(text), key...)
	}
	credentials, err := ca.NewCredentials(text, text, roots)
	if err != nil {
		return nil, api.Invalidf("the credentials in %s are damaged: %w", d.path, err)
	}
	return credentials, d.pair.set(text)
}

// keyBlock is the private key in a pair, sealed or not.
func keyBlock(text []byte) *pem.Block {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return block
		}
	}
	return &pem.Block{}
}

// certificates are those of a pair, without the key.
func certificates(text []byte) []byte {
	var found []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			found = append(found, pem.EncodeToMemory(block)...)
		}
	}
	return found
}
