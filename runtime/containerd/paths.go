package containerd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// RunDir is where the runtime of a data directory keeps what need not, or must
// not, survive the host's restart: sockets, state, containers' secrets. It is
// short, because a socket's path may have 107 bytes (unix(7)); its file data-dir
// tells whose it is.
func RunDir(dataDir string) string {
	path, err := realPath(dataDir)
	if err != nil {
		path = dataDir
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join("/run/orc", hex.EncodeToString(sum[:6]))
}

// realPath is a directory's path without symbolic links, as the kernel tells it.
func realPath(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// makeDataDir makes a node's data directory and returns its real path.
func makeDataDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	return realPath(dir)
}

// makeRunDir makes the directory and says in it whose it is.
func makeRunDir(dataDir string) (string, error) {
	dir := RunDir(dataDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make run directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data-dir"), []byte(dataDir+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("make run directory: %w", err)
	}
	return dir, nil
}

// layout names what is where.
type layout struct {
	data string // the node's data directory
	run  string
}

func (l layout) root() string               { return filepath.Join(l.data, "containerd") }
func (l layout) programs() string           { return filepath.Join(l.data, "runtime") }
func (l layout) log() string                { return filepath.Join(l.data, "containerd", "log") }
func (l layout) configuration() string      { return filepath.Join(l.run, "containerd.toml") }
func (l layout) socket() string             { return filepath.Join(l.run, "containerd.sock") }
func (l layout) process() string            { return filepath.Join(l.run, "containerd.json") }
func (l layout) exec() string               { return filepath.Join(l.run, "exec") }
func (l layout) volumes() string            { return filepath.Join(l.data, "volumes") }
func (l layout) containers() string         { return filepath.Join(l.data, "containers") }
func (l layout) container(id string) string { return filepath.Join(l.run, "c", id) }
func (l layout) state(id string) string     { return filepath.Join(l.containers(), id) }
