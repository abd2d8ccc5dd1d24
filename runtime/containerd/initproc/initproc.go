// Package initproc is the init process of containers that want one: it starts the
// container's command, passes signals on to it, reaps the orphans that the kernel
// hands to process 1, and ends as the command ends. It never starts anything else.
//
// It is bind-mounted into the container as /sbin/orc-init: the small program
// runtime/containerd/initproc/orc-init from the bundle, or, without a bundle, the
// orc binary itself, whose main must then begin with
//
//	if initproc.Called(os.Args) {
//		os.Exit(initproc.Main(os.Args))
//	}
package initproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Name is the name that the program is called by.
const Name = "orc-init"

// Called says whether this process was started as an init.
func Called(args []string) bool {
	return len(args) > 0 && filepath.Base(args[0]) == Name
}

// Main runs "orc-init -- COMMAND ARGS…" and returns the exit code: the command's,
// 128 and the number of the signal that ended it, 127 for no such command, 126 for
// one that cannot be executed.
func Main(args []string) int {
	if len(args) < 3 || args[1] != "--" {
		fmt.Fprintf(os.Stderr, "%s: want -- COMMAND\n", Name)
		return 64
	}
	command := args[2:]
	path, err := exec.LookPath(command[0])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: no such command in the image\n", Name, command[0])
		return 127
	}
	if os.Getpid() != 1 { // the container shares the host's processes
		adoptOrphans()
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	child, err := os.StartProcess(path, command, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: attributes(),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", Name, command[0], err)
		return 126
	}
	return serve(child.Pid, signals)
}

// attributes put the command into a process group of its own, in the foreground if
// there is a terminal, so that the terminal's signals reach it once.
func attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if terminal() {
		attributes.Foreground, attributes.Ctty = true, 0
	}
	return attributes
}

func terminal() bool {
	info, err := os.Stdin.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && foreground() == nil
}

// serve passes signals on and reaps until the child has ended.
func serve(child int, signals <-chan os.Signal) int {
	for received := range signals {
		number, known := received.(syscall.Signal)
		switch {
		case !known, number == syscall.SIGURG: // Go's own, for preemption
		case number == syscall.SIGCHLD:
			if code, ended := reap(child); ended {
				return code
			}
		default:
			// The child may have ended: then SIGCHLD follows.
			syscall.Kill(child, number)
		}
	}
	return 1
}

// reap takes leave of all that has ended.
func reap(child int) (code int, ended bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil || pid <= 0:
			return code, ended
		case pid == child:
			ended, code = true, status.ExitStatus()
			if status.Signaled() {
				code = 128 + int(status.Signal())
			}
		}
	}
}
