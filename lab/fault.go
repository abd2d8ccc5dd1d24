package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/orc-project/orc/sleep"
)

// Stop ends the node's process as systemd would, by SIGTERM, and waits for it.
// Its containers go on.
func (n *Node) Stop(ctx context.Context) error {
	return n.end(ctx, syscall.SIGTERM)
}

// KillProcess ends the node's process as a crash would. Its containers go on.
func (n *Node) KillProcess(ctx context.Context) error {
	return n.end(ctx, syscall.SIGKILL)
}

func (n *Node) end(ctx context.Context, signal syscall.Signal) error {
	pid := n.Pid()
	if pid == 0 {
		return fmt.Errorf("node %s does not run", n.state.Name)
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal node %s: %w", n.state.Name, err)
	}
	for n.Pid() != 0 {
		if err := sleep.For(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("node %s does not end: %w", n.state.Name, err)
		}
	}
	return nil
}

// Kill is a power cut: every process of the node ends at once, its containers
// too, and what lives in memory (mounts, sockets) is gone. The disk stays: Start
// is the next boot.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.killAll(ctx); err != nil {
		return err
	}
	return n.forgetMemory(ctx)
}

// Pause freezes every process of the node; Resume lets them go on.
func (n *Node) Pause() error { return n.signalAll(syscall.SIGSTOP) }

// Resume ends a Pause.
func (n *Node) Resume() error { return n.signalAll(syscall.SIGCONT) }

// Freeze stops the node's orc process alone by SIGSTOP; its containers and its
// containerd go on. Thaw lets it go on.
func (n *Node) Freeze() error { return n.signal(syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (n *Node) Thaw() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(signal syscall.Signal) error {
	pid := n.Pid()
	if pid == 0 {
		return fmt.Errorf("node %s does not run", n.state.Name)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("signal node %s: %w", n.state.Name, err)
	}
	return nil
}

// Erase is a power cut after which nothing is left of what the node knew: Start is
// a new host's. Its containerd keeps its images, so that no registry is needed.
func (n *Node) Erase(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(n.DataDir())
	if err != nil {
		return fmt.Errorf("erase node %s: %w", n.state.Name, err)
	}
	for _, entry := range entries {
		if entry.Name() == "containerd" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(n.DataDir(), entry.Name())); err != nil {
			return fmt.Errorf("erase node %s: %w", n.state.Name, err)
		}
	}
	return nil
}

// Cut pulls the node's network cable; Heal puts it back.
func (n *Node) Cut() error { return n.lab.setPort(n.state.Name, false) }

// Heal ends a Cut.
func (n *Node) Heal() error { return n.lab.setPort(n.state.Name, true) }

// wipe removes the node and all that it made on this host.
func (n *Node) wipe(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return fmt.Errorf("node %s: %w", n.state.Name, err)
	}
	if err := os.RemoveAll(n.dir()); err != nil {
		return fmt.Errorf("node %s: %w", n.state.Name, err)
	}
	return nil
}

func (n *Node) signalAll(signal syscall.Signal) error {
	found, err := n.processes()
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range found {
		if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("signal process %d of node %s: %w", p.pid, n.state.Name, err))
		}
	}
	return errors.Join(errs...)
}

// killAll kills until nothing is left: what was being started meanwhile is found
// by the next look.
func (n *Node) killAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		found, err := n.processes()
		if err != nil || len(found) == 0 {
			return err
		}
		// Freeze first: a parent must not restart what is killed, and descendants
		// must not lose the parent that tells whose they are.
		if err := errors.Join(n.signalAll(syscall.SIGSTOP), n.signalAll(syscall.SIGKILL)); err != nil {
			return err
		}
		if err := sleep.For(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d processes of node %s do not end: %w", len(found), n.state.Name, err)
		}
	}
}
