package link

import (
	"fmt"
	"os"
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

// thread stays in a network namespace and does one thing after another there.
type thread struct {
	work chan func()
	quit chan struct{}
	gone chan struct{}
}

func newThread(namespace int) (*thread, error) {
	t := &thread{work: make(chan func()), quit: make(chan struct{}), gone: make(chan struct{})}
	entered := make(chan error, 1)
	onThread(func() {
		defer close(t.gone)
		err := enter(namespace)
		entered <- err
		for err == nil {
			select {
			case do := <-t.work:
				do()
			case <-t.quit:
				return
			}
		}
	})
	return t, <-entered
}

// do returns when the work is done; os.ErrClosed after stop.
func (t *thread) do(work func() error) error {
	result := make(chan error, 1)
	select {
	case t.work <- func() { result <- work() }:
		return <-result
	case <-t.gone:
		return os.ErrClosed
	}
}

// stop ends the thread when its work is done. It is called once.
func (t *thread) stop() {
	close(t.quit)
	<-t.gone
}
