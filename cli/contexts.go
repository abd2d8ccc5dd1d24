package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/orc-project/orc/api"
)

// savedContext is a cluster that the user has access to: what the manager issued,
// under the user's own name for it.
type savedContext struct {
	api.ClientBundle
	Saved string `json:"-"` // the file
}

// contexts keeps contexts in a directory of the user's, one file each (0600: they
// hold private keys), and the name of the current one in the file "current".
type contexts struct{ dir string }

func (p *program) contexts() contexts {
	switch {
	case p.Getenv("ORC_CONFIG_DIR") != "":
		return contexts{p.Getenv("ORC_CONFIG_DIR")}
	case p.Getenv("XDG_CONFIG_HOME") != "":
		return contexts{filepath.Join(p.Getenv("XDG_CONFIG_HOME"), "orc")}
	case p.Getenv("HOME") != "":
		return contexts{filepath.Join(p.Getenv("HOME"), ".config", "orc")}
	}
	return contexts{filepath.Join("/root", ".config", "orc")} // as systemd's services have no HOME
}

func (s contexts) file(name string) string { return filepath.Join(s.dir, "contexts", name+".json") }

// current is the name of the context in use, or "".
func (s contexts) current() (string, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, "current"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the current context: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// use makes a context the current one; "" is none: the manager on this host.
func (s contexts) use(name string) error {
	if name == "" {
		if err := os.Remove(filepath.Join(s.dir, "current")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget the current context: %w", err)
		}
		return nil
	}
	return s.write(filepath.Join(s.dir, "current"), []byte(name+"\n"))
}

func (s contexts) load(name string) (*savedContext, error) {
	if err := api.ValidateName("context", name); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(s.file(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, api.NoSuch("context", name, s.names(), "`orc context ls` lists them, `orc context use local` goes back to this host's manager")
	}
	if err != nil {
		return nil, fmt.Errorf("read context %s: %w", name, err)
	}
	saved, err := parseBundle(data)
	if err != nil {
		return nil, api.Invalidf("context %s (%s): %w", name, s.file(name), err)
	}
	saved.Name, saved.Saved = name, s.file(name)
	return saved, nil
}

// names are those of all contexts. Of a directory that cannot be read there are none.
func (s contexts) names() []string {
	files, _ := filepath.Glob(s.file("*")) // the pattern is well formed
	names := []string{localContext}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return names
}

// parseBundle reads what the manager issued.
func parseBundle(data []byte) (*savedContext, error) {
	saved := &savedContext{}
	if err := json.Unmarshal(data, &saved.ClientBundle); err != nil {
		return nil, api.Invalidf("it is not what `orc context create --out` writes: %w", err)
	}
	if len(saved.Addresses) == 0 || len(saved.Certificate) == 0 || len(saved.Key) == 0 || len(saved.Roots) == 0 {
		return nil, api.Invalidf("it is not what `orc context create --out` writes: addresses or certificates are missing")
	}
	_, err := saved.tls()
	return saved, err
}

func (s contexts) save(saved *savedContext) error {
	data, err := json.MarshalIndent(saved.ClientBundle, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the context: %w", err)
	}
	return s.write(s.file(saved.Name), append(data, '\n'))
}

func (s contexts) list() ([]*savedContext, error) {
	files, err := filepath.Glob(s.file("*"))
	if err != nil {
		return nil, fmt.Errorf("list contexts: %w", err)
	}
	sort.Strings(files)
	var all []*savedContext
	for _, file := range files {
		saved, err := s.load(strings.TrimSuffix(filepath.Base(file), ".json"))
		if err != nil {
			return nil, err
		}
		all = append(all, saved)
	}
	return all, nil
}

func (s contexts) remove(name string) error {
	if err := api.ValidateName("context", name); err != nil {
		return err
	}
	if _, err := s.load(name); api.CodeOf(err) == api.CodeNotFound {
		return err
	}
	if current, err := s.current(); err == nil && current == name {
		if err := s.use(""); err != nil {
			return err
		}
	}
	if err := os.Remove(s.file(name)); err != nil {
		return fmt.Errorf("remove context %s: %w", name, err)
	}
	return nil
}

// write replaces a file as a whole, readable by its owner only.
func (s contexts) write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of contexts: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temporary.Name()))
	}
	return nil
}
