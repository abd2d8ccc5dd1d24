package bundle

import (
	"os"
	"path/filepath"
	"strings"
)

// temporaryPrefix begins the names of directories that are being filled.
const temporaryPrefix = ".new-"

// Prune removes from dir what other versions unpacked and no process runs any
// more. A container's shim calls the runc that it was started with, so a version
// stays as long as one of its programs runs.
func (b *Bundle) Prune(dir string) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	running, err := executables()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if entry.Name() == b.Digest || !entry.IsDir() || inUse(running, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// executables lists the programs of all running processes.
func executables() ([]string, error) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil { // else it has ended
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func inUse(running []string, dir string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for _, path := range running {
		if strings.HasPrefix(path, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}
