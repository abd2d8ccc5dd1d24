package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime/bundle"
	"github.com/orc-project/orc/sleep"
)

// How long the daemon is waited for. Starting takes 15 ms on an idle machine; the
// limit is for one that has a thousand containers to find again, or no time.
const (
	startPatience = 90 * time.Second
	stopPatience  = 15 * time.Second
	maxLog        = 8 << 20 // bytes; a longer log is begun anew at a start
)

// Daemon is the bundled containerd, run as a child process that stays when this
// process ends, as do the containers:
//
//	(nothing) ─StartDaemon→ running ─agent ends→ running alone ─StartDaemon→ adopted
//	running ─it dies→ Run starts it again ─Stop→ ended; containers go on
type Daemon struct {
	layout   layout
	bundle   *bundle.Bundle
	programs string
	log      *zap.Logger
	patience time.Duration // with a daemon that does not answer, or does not end

	mu      sync.Mutex
	process process
	stopped bool
}

// StartDaemon unpacks the bundle under dataDir/runtime and adopts the daemon that
// runs there, or starts one: also in place of one of another version. When it
// returns the daemon answers. Call Run to have it watched.
func StartDaemon(ctx context.Context, dataDir string, b *bundle.Bundle, log *zap.Logger) (*Daemon, error) {
	d, err := newDaemon(dataDir, b, log)
	if err != nil {
		return nil, err
	}
	return d, d.open(ctx)
}

func newDaemon(dataDir string, b *bundle.Bundle, log *zap.Logger) (*Daemon, error) {
	dataDir, err := makeDataDir(dataDir)
	if err != nil {
		return nil, err
	}
	run, err := makeRunDir(dataDir)
	if err != nil {
		return nil, err
	}
	d := &Daemon{layout: layout{data: dataDir, run: run}, bundle: b, log: log.Named("containerd"), patience: stopPatience}
	if d.programs, err = b.Unpack(d.layout.programs()); err != nil {
		return nil, err
	}
	return d, os.MkdirAll(d.layout.root(), 0o700)
}

// open adopts a daemon or starts one.
func (d *Daemon) open(ctx context.Context) error {
	adopted, err := d.adopt(ctx)
	if err != nil {
		return err
	}
	if !adopted {
		if err := d.start(ctx); err != nil {
			return err
		}
	}
	if err := d.bundle.Prune(d.layout.programs()); err != nil {
		d.log.Warn("old versions of containerd stay on disk", zap.Error(err))
	}
	return nil
}

// Address is the daemon's socket, for New.
func (d *Daemon) Address() string { return d.layout.socket() }

// Programs is the directory that the bundle was unpacked to.
func (d *Daemon) Programs() string { return d.programs }

// Init is the program for containers that want an init process, for Config.
func (d *Daemon) Init() string { return filepath.Join(d.programs, bundle.Init) }

// Pid is the daemon's process.
func (d *Daemon) Pid() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.process.Pid
}

// Run watches the daemon and starts it again when it dies, until ctx ends or Stop
// is called. It leaves the daemon running.
func (d *Daemon) Run(ctx context.Context) error {
	const shortest, longest = 100 * time.Millisecond, 10 * time.Second
	delay := shortest
	for {
		d.mu.Lock()
		current := d.process
		d.mu.Unlock()
		began := time.Now()
		if err := current.wait(ctx); err != nil {
			return nil // ctx ended
		}
		if d.isStopped() {
			return nil
		}
		if time.Since(began) > time.Minute {
			delay = shortest
		}
		d.log.Error("containerd ended: starting it again; containers run on", zap.Int("pid", current.Pid), zap.String("last", d.lastWords()))
		for {
			err := d.start(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil || d.isStopped() {
				return nil
			}
			d.log.Error("containerd does not start", zap.Error(err), zap.Duration("again", delay))
			if sleep.For(ctx, delay) != nil {
				return nil
			}
			delay = min(2*delay, longest)
		}
	}
}

// Stop ends the daemon. Containers run on; a later StartDaemon finds them.
func (d *Daemon) Stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if err := d.process.stop(ctx, d.patience); err != nil {
		return err
	}
	return errors.Join(removeIfThere(d.layout.process()), removeIfThere(d.layout.socket()))
}

func (d *Daemon) isStopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

// adopt takes over the daemon that an earlier process of ours started, if it is
// of this version and answers. It stops any other.
func (d *Daemon) adopt(ctx context.Context) (bool, error) {
	found, alive, err := readProcess(d.layout.process())
	if err != nil || !alive {
		return false, err
	}
	if found.Digest == d.bundle.Digest {
		limited, cancel := context.WithTimeout(ctx, d.patience)
		defer cancel()
		if err := d.answers(limited, found); err == nil {
			d.log.Info("adopted the running containerd", zap.Int("pid", found.Pid))
			d.process = found
			return true, nil
		} else if ctx.Err() != nil {
			return false, ctx.Err()
		}
		d.log.Warn("the running containerd does not answer: starting another", zap.Int("pid", found.Pid))
	} else {
		d.log.Info("replacing containerd of another version; containers run on", zap.Int("pid", found.Pid))
		d.keepEndings(ctx)
	}
	return false, found.stop(ctx, d.patience)
}

// keepEndings writes down how containers ended, which a daemon forgets when it ends.
func (d *Daemon) keepEndings(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	r, err := New(Config{Address: d.Address(), DataDir: d.layout.data}, d.log)
	if err == nil {
		_, err = r.List(ctx)
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		d.log.Warn("how containers ended is forgotten", zap.Error(err))
	}
}

// start starts the daemon and waits until it answers.
func (d *Daemon) start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return errors.New("start containerd: it was stopped on purpose")
	}
	if err := os.WriteFile(d.layout.configuration(), []byte(configuration(d.layout)), 0o600); err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	output, err := openLog(d.layout.log())
	if err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	defer output.Close()
	program := filepath.Join(d.programs, bundle.Containerd)
	cmd := exec.Command(program, "--config", d.layout.configuration())
	cmd.Stdout, cmd.Stderr, cmd.Dir = output, output, "/"
	// The daemon finds the shim, and the shim finds runc, by PATH. Nothing else of
	// our environment is theirs to see: there may be a token in it.
	cmd.Env = []string{"PATH=" + d.programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	p := process{Pid: cmd.Process.Pid, Digest: d.bundle.Digest, Program: program}
	if p.Started, err = startTime(p.Pid); err != nil {
		p.Started = 1 // ended already: no process began at that time
	}
	go cmd.Wait() // reaps it, should it end before this process does
	if err := p.write(d.layout.process()); err != nil {
		return errors.Join(fmt.Errorf("start containerd: %w", err), p.stop(context.WithoutCancel(ctx), d.patience))
	}
	limited, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := d.answers(limited, p); err != nil {
		err = fmt.Errorf("start containerd: %w: %s", err, d.lastWords())
		return errors.Join(err, p.stop(context.WithoutCancel(ctx), d.patience))
	}
	d.process = p
	d.log.Info("containerd runs", zap.Int("pid", p.Pid))
	return nil
}

// answers waits until the process serves its socket.
func (d *Daemon) answers(ctx context.Context, p process) error {
	for !dials(ctx, d.layout.socket()) {
		if !p.alive() {
			return errors.New("it ended at once")
		}
		if err := sleep.For(ctx, 2*time.Millisecond); err != nil {
			return errors.New("it does not answer")
		}
	}
	c, err := client.New(d.layout.socket())
	if err != nil {
		return err
	}
	defer c.Close()
	if serving, err := c.IsServing(ctx); err != nil || !serving {
		return fmt.Errorf("it does not serve: %v", err)
	}
	return nil
}

func dials(ctx context.Context, socket string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// lastWords is the last line that the daemon logged.
func (d *Daemon) lastWords() string {
	file, err := os.Open(d.layout.log())
	if err != nil {
		return ""
	}
	defer file.Close()
	const most = 4096
	if _, err := file.Seek(-most, io.SeekEnd); err != nil {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return ""
		}
	}
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(lines[len(lines)-1])
}

// openLog opens the log for appending, and begins it anew when it is long.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
