package initproc

import (
	"syscall"
	"unsafe"
)

// foreground asks for the terminal's foreground process group: without an error,
// standard input is this session's terminal (tcgetpgrp(3)).
func foreground() error {
	var group int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	if errno != 0 {
		return errno
	}
	return nil
}

// adoptOrphans makes the kernel hand over the orphans among all descendants
// (PR_SET_CHILD_SUBREAPER, prctl(2)). A kernel before 3.4 hands them to its own
// init, which does as well.
func adoptOrphans() {
	const setChildSubreaper = 36
	syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
}
