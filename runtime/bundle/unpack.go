package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// Unpack puts the programs into a directory of dir that is named by their digest,
// and returns that directory. What is there already is read and compared, so that
// only what was packed is ever run. It appears whole or not at all; two processes
// may call it at once.
func (b *Bundle) Unpack(dir string) (string, error) {
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	target := filepath.Join(dir, b.Digest)
	if b.verify(target) == nil {
		return target, nil
	}
	if err := os.RemoveAll(target); err != nil { // damaged; what runs of it runs on
		return "", fmt.Errorf("unpack containerd: %w", err)
	}
	temporary, err := os.MkdirTemp(dir, temporaryPrefix)
	if err != nil {
		return "", fmt.Errorf("unpack containerd: %w", err)
	}
	defer os.RemoveAll(temporary)
	var group errgroup.Group
	for _, file := range b.Manifest.Files {
		group.Go(func() error { return b.extract(file, filepath.Join(temporary, file.Name)) })
	}
	err = group.Wait()
	release()
	debug.FreeOSMemory() // unpacking took much of it, once
	if err != nil {
		return "", err
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", err
	}
	if err := errors.Join(syncDir(temporary), os.Rename(temporary, target), syncDir(dir)); err != nil {
		return "", fmt.Errorf("unpack containerd: %w", err)
	}
	return target, nil
}

// extract writes one program and makes sure that it is what was packed.
func (b *Bundle) extract(file File, path string) error {
	packed, err := b.files.Open(file.Name + extension)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	defer packed.Close()
	decoder, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	defer decoder.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), io.LimitReader(decoder, file.Size+1))
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	if hex.EncodeToString(hash.Sum(nil)) != file.SHA256 {
		return fmt.Errorf("unpack %s: what this orc carries is damaged: install orc again", file.Name)
	}
	return nil
}

// verify reads the programs in a directory and compares their digests.
func (b *Bundle) verify(dir string) error {
	var group errgroup.Group
	for _, file := range b.Manifest.Files {
		group.Go(func() error {
			in, err := os.Open(filepath.Join(dir, file.Name))
			if err != nil {
				return err
			}
			defer in.Close()
			info, err := in.Stat()
			if err != nil {
				return err
			}
			hash := sha256.New()
			if _, err := io.Copy(hash, in); err != nil {
				return err
			}
			if hex.EncodeToString(hash.Sum(nil)) != file.SHA256 || info.Mode().Perm() != 0o755 {
				return fmt.Errorf("%s is not what was unpacked", in.Name())
			}
			return nil
		})
	}
	return group.Wait()
}

// lock makes dir and keeps other processes from changing it meanwhile.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("unpack containerd: %w", err)
	}
	handle, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("unpack containerd: %w", err)
	}
	if err := syscall.Flock(int(handle.Fd()), syscall.LOCK_EX); err != nil {
		handle.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { handle.Close() }, nil
}

func syncDir(dir string) error {
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
