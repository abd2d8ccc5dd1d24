package fake

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/orc-project/orc/runtime"
)

// Program is what a process does; what it returns is its exit code. It must
// return soon after Killed is closed.
type Program func(p *Process) int

// Process is what a program sees of itself.
type Process struct {
	Args    []string
	Env     []string
	Dir     string
	User    string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal // all but SIGKILL
	Killed  <-chan struct{}
}

// process is a container's running program.
type process struct {
	signals chan os.Signal
	killed  chan struct{}
	once    sync.Once
}

func (p *process) kill() { p.once.Do(func() { close(p.killed) }) }

// signal delivers, or loses a signal that nobody takes, as kernels do.
func (p *process) signal(number syscall.Signal) {
	select {
	case p.signals <- number:
	default:
	}
}

func newProcess() *process {
	return &process{signals: make(chan os.Signal, 8), killed: make(chan struct{})}
}

// run starts a container's program. The lock is held.
func (r *Runtime) run(c *container, program Program) {
	c.process = newProcess()
	p := &Process{
		Args: c.args, Env: c.env, Dir: c.spec.Container.Dir, User: c.spec.Container.User,
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard,
		Signals: c.process.signals, Killed: c.process.killed,
	}
	if len(c.output) > 0 && c.output[0] != nil {
		p.Stdout = c.output[0]
	}
	if len(c.output) > 1 && c.output[1] != nil {
		p.Stderr = c.output[1]
	}
	if c.TTY {
		p.Stderr = p.Stdout
	}
	go func() {
		code := program(p)
		r.Exit(c.ID, code)
	}()
}

// Print writes to a running container's standard output, as its process would.
func (r *Runtime) Print(id, text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return err
	}
	if len(c.output) == 0 || c.output[0] == nil {
		return fmt.Errorf("container %s: its output goes nowhere: %w", id, runtime.ErrNotRunning)
	}
	_, err = io.WriteString(c.output[0], text)
	return err
}

// Exec implements runtime.Runtime.
func (r *Runtime) Exec(ctx context.Context, id string, exec runtime.Exec) (int, error) {
	script, c, err := r.execIn(ctx, id)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if script.Commands == nil {
		if script.Exec == nil {
			return 0, nil
		}
		return script.Exec(ctx, id, exec)
	}
	if len(exec.Args) == 0 {
		return 0, fmt.Errorf("exec in %s: %w: no command given", id, runtime.ErrRejected)
	}
	program := script.Commands[exec.Args[0]]
	if program == nil {
		return 127, fmt.Errorf("exec in %s: %w: %s: no such command in the container", id, runtime.ErrRejected, exec.Args[0])
	}
	p := &Process{
		Args: exec.Args, Env: slices.Concat(c.env, exec.Env), Dir: exec.Dir, User: exec.User,
		Stdin: exec.Stdin, Stdout: exec.Stdout, Stderr: exec.Stderr, Killed: ctx.Done(),
	}
	if p.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	if p.Stdout == nil {
		p.Stdout = io.Discard
	}
	if p.Stderr == nil || exec.TTY {
		p.Stderr = p.Stdout
	}
	code := program(p)
	return code, ctx.Err()
}

// execIn finds a running container.
func (r *Runtime) execIn(ctx context.Context, id string) (*Script, *container, error) {
	if err := r.enter(ctx, "Exec"); err != nil {
		return nil, nil, err
	}
	defer r.mu.Unlock()
	c, err := r.find(id)
	if err != nil {
		return nil, nil, err
	}
	if c.State != runtime.Running {
		return nil, nil, fmt.Errorf("container %s: %w", id, runtime.ErrNotRunning)
	}
	return r.script(c.Image.Name), c, nil
}
