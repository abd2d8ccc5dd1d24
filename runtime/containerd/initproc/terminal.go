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
