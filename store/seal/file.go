package seal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/orc-project/orc/api"
)

// fileForm is the file of a ring.
type fileForm struct {
	Format    int    `json:"format"`
	WrappedBy string `json:"wrappedBy"`
	Key       string `json:"key"`  // Wrap.ID
	Ring      []byte `json:"ring"` // nonce and ciphertext
}

// Save writes the ring to the file (mode 0600), whole or not at all.
func Save(path string, ring *Ring, wrap Wrap) error {
	plain, err := ring.Marshal()
	if err != nil {
		return fmt.Errorf("save key ring: %w", err)
	}
	sealed, err := wrap.Seal(wrap.by, plain)
	if err != nil {
		return fmt.Errorf("save key ring: %w", err)
	}
	form := fileForm{Format: format, WrappedBy: wrap.by, Key: wrap.ID(), Ring: sealed}
	text, err := json.Marshal(form)
	if err != nil {
		return fmt.Errorf("save key ring: %w", err)
	}
	if err := writePrivate(path, append(text, '\n')); err != nil {
		return fmt.Errorf("save key ring: %w", err)
	}
	return nil
}

// Load reads the ring from the file. The error is fs.ErrNotExist's when there is
// none.
func Load(path string, wrap Wrap) (*Ring, error) {
	form, err := readForm(path)
	if err != nil {
		return nil, err
	}
	if form.WrappedBy != wrap.by {
		if form.WrappedBy == byOperator {
			return nil, api.Errorf(api.CodeUnavailable, "the manager is locked: give it the unlock key")
		}
		return nil, api.Invalidf("the manager is not locked: it takes no unlock key")
	}
	plain, err := wrap.Open(wrap.by, form.Ring)
	if err != nil && wrap.by == byOperator {
		return nil, api.Invalidf("this is not the unlock key of the manager: it is key %s, and the manager is locked with %s", wrap.ID(), form.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("load key ring: %s is damaged, or the node's key is another's", path)
	}
	return Unmarshal(plain)
}

// Wraps says whether the ring in the file is wrapped by this key.
func Wraps(path string, wrap Wrap) (bool, error) {
	form, err := readForm(path)
	return form.WrappedBy == wrap.by && form.Key == wrap.ID(), err
}

// Locked says whether the ring in the file needs an unlock key.
func Locked(path string) (bool, error) {
	form, err := readForm(path)
	return form.WrappedBy == byOperator, err
}

func readForm(path string) (fileForm, error) {
	text, err := readPrivate(path)
	if err != nil {
		return fileForm{}, fmt.Errorf("load key ring: %w", err)
	}
	var form fileForm
	if err := json.Unmarshal(text, &form); err != nil {
		return fileForm{}, fmt.Errorf("load key ring: %s is damaged", path)
	}
	if form.Format > format {
		return fileForm{}, fmt.Errorf("load key ring: %s was written by a newer orc: run that one", path)
	}
	return form, nil
}

// readPrivate refuses files that others than their owner can read.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	}
	return os.ReadFile(path)
}

// writePrivate replaces the file so that a crash leaves the old one or the new.
func writePrivate(path string, text []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err = file.Write(text); err != nil {
		return errors.Join(err, file.Close())
	}
	if err = file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
