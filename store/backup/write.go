package backup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/store/seal"
)

// partial begins the names of files that are not whole yet.
const partial = ".new-"

// Write makes the file of a snapshot, mode 0600: whole, on the disk and read back,
// or not at all. database is all that the header tells of, header.Size bytes; what
// the header lacks of keys is filled in.
func Write(path string, header Header, database io.Reader, ring *seal.Ring, wrap seal.Wrap) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), partial) // mode 0600
	if err != nil {
		return of(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(of(path, err), os.Remove(file.Name()))
		}
	}()
	stream := seal.NewStreamKey()
	header.Format, header.Key = Format, wrap.ID()
	if header.Keys, err = wrapKeys(stream, ring, wrap); err != nil {
		return errors.Join(err, file.Close())
	}
	sum, err := write(file, header, database, stream)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	// From the disk, not from memory, is it read back.
	if err = errors.Join(file.Sync(), unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED), file.Close()); err != nil {
		return err
	}
	if err = verify(file.Name(), wrap, sum); err != nil {
		return fmt.Errorf("what was written does not read the same: %w", err)
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// write returns the checksum of the database that it read.
func write(file io.Writer, header Header, database io.Reader, key []byte) ([]byte, error) {
	start, err := header.encode()
	if err != nil {
		return nil, err
	}
	whole, plain := sha256.New(), sha256.New()
	out := io.MultiWriter(file, whole)
	if _, err := out.Write(start); err != nil {
		return nil, err
	}
	sealed, err := seal.NewStreamWriter(out, key, start)
	if err != nil {
		return nil, err
	}
	size, err := io.Copy(io.MultiWriter(sealed, plain), database)
	if err != nil {
		return nil, err
	}
	if size != header.Size {
		return nil, fmt.Errorf("the database has %d bytes, and %d were to be written", size, header.Size)
	}
	if err := sealed.Close(); err != nil {
		return nil, err
	}
	_, err = file.Write(whole.Sum(nil))
	return plain.Sum(nil), err
}

// verify reads the file as a restore would.
func verify(path string, wrap seal.Wrap, want []byte) error {
	if err := Check(path); err != nil {
		return err
	}
	got := sha256.New()
	if _, _, err := Extract(path, wrap, got); err != nil {
		return err
	}
	if !bytes.Equal(got.Sum(nil), want) {
		return damaged("the database in it is another")
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
