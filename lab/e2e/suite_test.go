package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/lab"
)

// The suite needs a built binary and the demo images; `make test` names them.
const (
	binaryVariable = "ORC_BINARY"
	imagesVariable = "ORC_IMAGES"
)

// soon is how long the suite waits for what takes a second on a quiet machine.
// Nothing here measures time: a loaded machine is slow, not wrong.
const soon = 90 * time.Second

// shared is the lab that all tests use; nil when the suite cannot run.
var shared *lab.Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	binary := os.Getenv(binaryVariable)
	if binary == "" || os.Geteuid() != 0 {
		return m.Run() // every test skips, and says why
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("/tmp", "orc-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared, err = lab.Up(ctx, lab.Options{Dir: dir, Name: "e2e", Managers: 1, Agents: 2, Binary: binary})
	if err != nil {
		fmt.Fprintln(os.Stderr, "the suite's lab does not come up:", err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		printLogs(shared)
	}
	down, cancelDown := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancelDown()
	if err := shared.Down(down); err != nil {
		fmt.Fprintln(os.Stderr, "the suite's lab does not go down:", err)
		return 1
	}
	return code
}

// printLogs shows what the nodes said, for a failure that cannot be repeated.
func printLogs(of *lab.Lab) {
	for _, node := range of.Nodes() {
		data, err := os.ReadFile(node.LogFile())
		if err != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "---- the end of %s's log\n%s\n", node.Name(), data[max(0, len(data)-16<<10):])
	}
}

// cluster is what a test needs: the lab, with the demo images loaded, and an end
// that removes what the test deployed.
func cluster(t *testing.T) *lab.Lab {
	t.Helper()
	if shared == nil {
		t.Skipf("NOT TESTED: the end-to-end suite needs root and a built binary: run `make test` as root (it sets %s and %s)", binaryVariable, imagesVariable)
	}
	loadImages(t)
	t.Cleanup(func() { cleanUp(t) })
	return shared
}

var loaded bool

func loadImages(t *testing.T) {
	t.Helper()
	if loaded {
		return
	}
	require.NotEmpty(t, os.Getenv(imagesVariable), "the directory of the demo images")
	orc(t, "image", "load", filepath.Join(os.Getenv(imagesVariable), "all.tar"))
	loaded = true
}

// cleanUp removes every app and service, and waits until no container is left.
func cleanUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	first := shared.Nodes()[0]
	for _, noun := range []string{"app", "service"} {
		names, err := first.Orc(ctx, noun, "ls", "-q")
		require.NoError(t, err)
		if left := strings.Fields(names); len(left) > 0 {
			_, err := first.Orc(ctx, append([]string{noun, "rm"}, left...)...)
			require.NoError(t, err)
		}
	}
	eventually(t, "every container is gone", func() error {
		out, err := first.Orc(ctx, "ps", "-aq")
		if err == nil && strings.TrimSpace(out) != "" {
			err = fmt.Errorf("still there: %s", strings.Fields(out))
		}
		return err
	})
}

// orc runs a command on the first manager that must succeed.
func orc(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryOrc(t, args...)
	require.NoError(t, err, out)
	return out
}

// tryOrc runs a command on the first manager.
func tryOrc(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	return shared.Nodes()[0].Orc(ctx, args...)
}

// refused runs a command that must fail, and returns what it said.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	_, err := tryOrc(t, args...)
	require.Error(t, err)
	return err.Error()
}

// eventually asks until there is no error, at most for soon.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(t, what, "not after %s: %v", soon, err)
		}
		wait(100 * time.Millisecond)
	}
}

func wait(d time.Duration) { <-time.After(d) }

// write puts a file where the test may find it.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
