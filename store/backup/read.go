package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"os"

	"github.com/orc-project/orc/store/seal"
)

// ReadHeader reads what a snapshot's file tells without a key.
func ReadHeader(path string) (Header, error) {
	file, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer file.Close()
	header, _, err := readHeader(bufio.NewReader(file))
	if err != nil {
		return Header{}, of(path, err)
	}
	return header, nil
}

// Check verifies a file's checksum. It needs no key.
func Check(path string) error {
	file, body, err := open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return of(path, err)
	}
	want, err := io.ReadAll(io.LimitReader(file, sha256.Size+1))
	if err != nil {
		return of(path, err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return of(path, damaged("its checksum does not fit"))
	}
	return nil
}

// Extract writes the database in the file to out, and returns the keys that it is
// sealed with. On error, what was written so far is authentic, but not all.
func Extract(path string, wrap seal.Wrap, out io.Writer) (Header, *seal.Ring, error) {
	file, body, err := open(path)
	if err != nil {
		return Header{}, nil, err
	}
	defer file.Close()
	header, start, err := readHeader(body)
	if err != nil {
		return Header{}, nil, of(path, err)
	}
	key, ring, err := header.unwrapKeys(wrap)
	if err != nil {
		return Header{}, nil, of(path, err)
	}
	plain, err := seal.NewStreamReader(body, key, start)
	if err != nil {
		return Header{}, nil, of(path, err)
	}
	size, err := io.Copy(out, plain)
	if err == nil && size != header.Size {
		err = damaged("the database in it is not whole")
	}
	if err != nil {
		return Header{}, nil, of(path, err)
	}
	return header, ring, nil
}

// open returns the file, and a reader of all of it but the checksum at its end.
// The file itself then reads on with that.
func open(path string) (*os.File, io.Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, io.LimitReader(file, max(info.Size()-sha256.Size, 0)), nil
}
