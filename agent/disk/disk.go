// Package disk keeps an agent's small files: each is there in full, as it was
// before, or known to be damaged; never in part.
package disk

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/orc-project/orc/api/wire"
)

// Write writes a file, for root alone, in place of the one that is there. Only a
// durable one survives a power cut that follows at once.
func Write(path string, data []byte, durable bool) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails once it is renamed
	_, err = file.Write(data)
	if err == nil && durable {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Save writes a value as CBOR behind its checksum.
func Save(path string, value any, durable bool) error {
	body, err := wire.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	sum := sha256.Sum256(body)
	return Write(path, append(sum[:], body...), durable)
}

// Load reads what Save wrote. A missing file is fs.ErrNotExist; a damaged one is an
// error too, and leaves the value in part.
func Load(path string, value any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := decode(data, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func decode(data []byte, value any) error {
	if len(data) < sha256.Size {
		return errors.New("cut short")
	}
	sum := sha256.Sum256(data[sha256.Size:])
	if !bytes.Equal(sum[:], data[:sha256.Size]) {
		return errors.New("checksum does not match")
	}
	return wire.Unmarshal(data[sha256.Size:], value)
}
