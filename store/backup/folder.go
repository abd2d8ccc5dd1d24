package backup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const suffix = ".orcsnap"

// Folder keeps snapshots in a directory, which may be missing as long as there is
// none.
type Folder string

// Entry is a snapshot in a folder.
type Entry struct {
	Header
	Path   string
	Length int64 // of the file, in bytes
}

// Name is the entry's file name without its suffix.
func (e Entry) Name() string { return strings.TrimSuffix(filepath.Base(e.Path), suffix) }

// Prepare makes the folder, removes what attempts that were cut short left behind,
// and returns the path for a snapshot made at the time. One at a time may be made.
func (f Folder) Prepare(at time.Time) (string, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return "", fmt.Errorf("make the snapshots' directory: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(string(f), partial+"*"))
	if err != nil {
		return "", err
	}
	for _, each := range left {
		if err := os.Remove(each); err != nil {
			return "", fmt.Errorf("remove an unfinished snapshot: %w", err)
		}
	}
	return filepath.Join(string(f), at.UTC().Format("20060102T150405.000Z")+suffix), nil
}

// Temporary makes a file in the folder for what is needed while a snapshot is
// made. The caller closes and removes it; Prepare does, should that not happen.
func (f Folder) Temporary() (*os.File, error) { return os.CreateTemp(string(f), partial) }

// List returns the snapshots, the oldest first. The errors are of files that
// cannot be read; the others are returned all the same.
func (f Folder) List() ([]Entry, error) {
	files, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	var found []Entry
	var failed []error
	for _, each := range files {
		if !strings.HasSuffix(each.Name(), suffix) || strings.HasPrefix(each.Name(), partial) {
			continue
		}
		entry := Entry{Path: filepath.Join(string(f), each.Name())}
		info, err := each.Info()
		if err == nil {
			entry.Length = info.Size()
			entry.Header, err = ReadHeader(entry.Path)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		found = append(found, entry)
	}
	slices.SortFunc(found, func(a, b Entry) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Path, b.Path)) })
	return found, errors.Join(failed...)
}

// Keep removes the oldest snapshots until n are left. It leaves files alone that
// it cannot read: a person has to look at them.
func (f Folder) Keep(n int) error {
	found, failed := f.List()
	for len(found) > n {
		if err := os.Remove(found[0].Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(failed, fmt.Errorf("remove an old snapshot: %w", err))
		}
		found = found[1:]
	}
	return failed
}
