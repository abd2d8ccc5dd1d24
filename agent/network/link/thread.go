package link

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs do on a thread of its own, which ends with it: what do changes of
// the thread, such as its namespace, reaches no other goroutine.
//
// The process's first thread is never used up: it is the one that /proc/PID shows.
func onThread(do func()) {
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if unix.Gettid() != unix.Getpid() {
			do()
			return
		}
		begun := make(chan struct{})
		onThread(func() {
			close(begun)
			do()
		})
		<-begun // on another thread, for this one is held until here
		runtime.UnlockOSThread()
	}()
}

// within runs do once on a thread in a network namespace.
func within(namespace int, do func() error) error {
	result := make(chan error, 1)
	onThread(func() {
		if err := enter(namespace); err != nil {
			result <- err
			return
		}
		result <- do()
	})
	return <-result
}

func enter(namespace int) error {
	if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	return nil
}
