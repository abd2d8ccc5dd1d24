// Package lab runs a real cluster on one host: a network namespace per node,
// joined by a switch, and in each a real orc process with its own data directory
// and containerd. People try orc with it, the demo shows it, and the end-to-end
// suite breaks it on purpose.
//
// It never takes a short cut that a real cluster lacks: nodes meet over their
// network only. Whatever it made can be found again from its directory, so that
// Down cleans up after a crash too.
//
//	             host (gateway address)
//	               │ veth
//	┌──────────────┴───────────── switch namespace: a bridge ┐
//	│ veth           veth           veth                     │
//	└──┬──────────────┬──────────────┬───────────────────────┘
//	  n1 namespace   n2 namespace   n3 namespace: eth0, orc, containerd, containers
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// DefaultDir is where labs are kept, unless ORC_LAB_DIR says otherwise.
const DefaultDir = "/var/lib/orc-lab"

// Options say what Up makes.
type Options struct {
	Dir  string // of all labs; empty means DefaultDir
	Name string // of this one
	// Managers and Agents count the nodes: n1 … are managers, the rest workers.
	Managers, Agents int
	// Subnet of the nodes' addresses, an IPv4 /24; zero picks a free one.
	Subnet netip.Prefix
	// Binary is the orc that the nodes run; empty means this process's own.
	Binary string
	// Args are added to every node's command.
	Args []string
	// Bare hosts run nothing yet: orc is started on them by hand, with Node.Command.
	Bare bool
	// Progress, which may be nil, is told what is being done.
	Progress func(string)
}

// Lab is one that exists. Its methods are for one goroutine and one process.
type Lab struct {
	dir      string
	state    state
	progress func(string)
}

// ErrNoLab says that there is no lab of that name.
var ErrNoLab = errors.New("no such lab")

// Up makes a lab and waits until every node is ready. When it fails, nothing
// stays behind, except the nodes' logs in the error's text.
func Up(ctx context.Context, options Options) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab makes network namespaces and runs containers: it needs root")
	}
	l, err := create(options)
	if err != nil {
		return nil, err
	}
	if err := l.up(ctx, options.Bare); err != nil {
		return nil, errors.Join(fmt.Errorf("lab %s: %w", options.Name, err), l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// Open finds a lab that was made before, by this or another process.
func Open(dir, name string) (*Lab, error) {
	l := &Lab{dir: filepath.Join(orDefault(dir), name), progress: func(string) {}}
	if err := l.state.load(l.dir); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s (orc lab up makes one)", ErrNoLab, name)
		}
		return nil, err
	}
	return l, nil
}

// Names lists the labs under dir.
func Names(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(orDefault(dir), "*", stateFile))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names, nil
}

// Dir is the lab's own directory.
func (l *Lab) Dir() string { return l.dir }

// Name is the lab's name.
func (l *Lab) Name() string { return l.state.Name }

// Gateway is the host's own address in the lab.
func (l *Lab) Gateway() netip.Addr { return l.state.gateway() }

// Down ends everything of the lab and removes all that it made. It works after a
// crash, and on a lab that came up in part.
func (l *Lab) Down(ctx context.Context) error {
	var errs []error
	for _, node := range l.Nodes() {
		l.progress("removing " + node.Name())
		errs = append(errs, node.wipe(ctx))
	}
	errs = append(errs, l.removeNetwork())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("lab %s: %w", l.state.Name, err)
	}
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("lab %s: %w", l.state.Name, err)
	}
	os.Remove(filepath.Dir(l.dir)) // only when it was the last one
	return nil
}

func create(options Options) (*Lab, error) {
	if options.Name == "" {
		options.Name = "lab"
	}
	if options.Managers < 1 || options.Managers+options.Agents > 60 {
		return nil, errors.New("a lab has at least one manager and at most 60 nodes")
	}
	if len(options.Name) > maxNameLength {
		return nil, fmt.Errorf("lab name %q is longer than %d characters", options.Name, maxNameLength)
	}
	l := &Lab{dir: filepath.Join(orDefault(options.Dir), options.Name), progress: options.Progress}
	if l.progress == nil {
		l.progress = func(string) {}
	}
	if _, err := os.Stat(filepath.Join(l.dir, stateFile)); err == nil {
		return nil, fmt.Errorf("lab %s exists already: orc lab down --name %[1]s removes it", options.Name)
	}
	if err := l.state.fill(options); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab %s: %w", options.Name, err)
	}
	return l, l.state.save(l.dir)
}

func (l *Lab) up(ctx context.Context, bare bool) error {
	l.progress("making the network")
	if err := l.makeNetwork(); err != nil {
		return err
	}
	if bare {
		return nil
	}
	nodes := l.Nodes()
	for i, node := range nodes {
		l.progress("starting " + node.Name())
		if err := node.Start(ctx); err != nil {
			return err
		}
		if i == 0 || node.Manager() {
			if err := node.WaitReady(ctx); err != nil {
				return err
			}
		}
	}
	l.progress("waiting for the nodes")
	if err := l.WaitManagers(ctx); err != nil {
		return err
	}
	return l.WaitNodes(ctx)
}

func orDefault(dir string) string {
	if dir == "" {
		dir = os.Getenv("ORC_LAB_DIR")
	}
	if dir == "" {
		return DefaultDir
	}
	return dir
}
