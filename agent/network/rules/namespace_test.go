package rules

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// needsRoot skips a test, loudly, where it cannot make namespaces.
func needsRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: network namespaces and nftables need root")
	}
}

// newNamespace makes a network namespace that ends with the test.
func newNamespace(t testing.TB) netns.NsHandle {
	t.Helper()
	needsRoot(t)
	var made netns.NsHandle
	require.NoError(t, elsewhere(func() (err error) {
		made, err = netns.New()
		return err
	}))
	t.Cleanup(func() { require.NoError(t, made.Close()) })
	return made
}

// elsewhere calls a function on a thread that nobody uses after it: it may change
// the thread's namespace.
func elsewhere(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := errors.New("a test failed where it could not be ended")
		defer func() { done <- err }()
		err = f()
	}()
	return <-done
}

// within calls a function in a namespace.
func within(namespace netns.NsHandle, f func() error) error {
	return elsewhere(func() error {
		if err := netns.Set(namespace); err != nil {
			return err
		}
		return f()
	})
}

// inside is within for what has to succeed.
func inside(t testing.TB, namespace netns.NsHandle, f func() error) {
	t.Helper()
	require.NoError(t, within(namespace, f))
}
