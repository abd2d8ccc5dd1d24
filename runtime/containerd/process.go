package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/sleep"
)

// process is a daemon's process, as it is written down for the next agent.
type process struct {
	Pid int `json:"pid"`
	// Started is the process's start time in clock ticks since boot: with it a
	// number that the kernel gave to another process is not mistaken (proc(5)).
	Started uint64 `json:"started"`
	// Program is what it runs; after a restart of the host, number and time alone
	// may be another process's.
	Program string `json:"program"`
	// Digest names the bundle that it runs of.
	Digest string `json:"digest"`
}

// readProcess returns what was written down; ok says whether it still runs.
func readProcess(path string) (p process, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return process{}, false, nil
	}
	if err != nil {
		return process{}, false, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return process{}, false, nil // cut short by a crash: nobody can be found by it
	}
	return p, p.alive(), nil
}

func (p process) write(path string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// alive says whether this very process runs.
func (p process) alive() bool {
	started, err := startTime(p.Pid)
	if err != nil || started != p.Started {
		return false
	}
	program, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(p.Pid), "exe"))
	return err == nil && strings.TrimSuffix(program, " (deleted)") == p.Program
}

// wait blocks until the process has ended or ctx is done.
func (p process) wait(ctx context.Context) error {
	handle, err := openProcess(p.Pid)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		defer handle.Close()
		if !p.alive() {
			return nil // the handle is another process's
		}
		if err = handle.wait(ctx); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return p.watch(ctx) // a kernel before 5.3
}

// watch looks now and then.
func (p process) watch(ctx context.Context) error {
	for p.alive() {
		if err := sleep.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// handle is a process that the Go runtime waits for as it does for connections. A
// thread that calls poll(2) again and again keeps the runtime's monitor awake beside
// it: each call costs some twenty wake-ups.
type handle struct{ *os.File }

func openProcess(pid int) (handle, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return handle{}, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile takes it for one that blocks
		return handle{}, errors.Join(err, unix.Close(fd))
	}
	return handle{os.NewFile(uintptr(fd), "process "+strconv.Itoa(pid))}, nil
}

// wait blocks until the process has ended, or ctx, with any error.
func (h handle) wait(ctx context.Context) error {
	raw, err := h.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { h.SetReadDeadline(time.Unix(1, 0)) })()
	return raw.Read(func(fd uintptr) bool {
		// It is readable when the process has ended (pidfd_open(2)).
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n > 0
	})
}

// stop ends the process: kindly, and after the grace by force.
func (p process) stop(ctx context.Context, grace time.Duration) error {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if !p.alive() {
			return nil
		}
		if err := unix.Kill(p.Pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("stop containerd: %w", err)
		}
		limited, cancel := context.WithTimeout(ctx, grace)
		err := p.wait(limited)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("stop containerd: process %d does not end", p.Pid)
}

// startTime reads the 22nd field of /proc/PID/stat. A zombie has ended.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(string(data))
}

// parseStat finds its fields after the program's name, which may contain anything.
func parseStat(stat string) (uint64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, errors.New("/proc/PID/stat: too few fields")
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, errors.New("the process has ended")
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
