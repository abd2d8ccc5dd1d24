package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/lab"
)

// TestTheWalkEveryUserTakes types what testdata/walk.txtar says on three hosts that
// have nothing yet. Besides testscript's own commands, the story has these:
//
//	at HOST              sits down at another host
//	orc ARG…             types an orc command there; with & at the end it stays
//	curl URL             asks for a page, from outside of the cluster
//	until PATTERN …      types the command again until its output fits
//	keep NAME PATTERN    keeps what the first parentheses match in the last output
func TestTheWalkEveryUserTakes(t *testing.T) {
	w := &walk{lab: bareHosts(t, "walk", 3)}
	testscript.Run(t, testscript.Params{
		Files:               []string{filepath.Join("testdata", "walk.txtar")},
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("images", os.Getenv(imagesVariable))
			env.Setenv("me", w.lab.Gateway().String())
			for _, host := range w.lab.Nodes() {
				env.Setenv(host.Name(), host.Address().String())
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"at": w.at, "orc": w.orc, "curl": w.curl, "until": w.until, "keep": keep,
		},
	})
}

// bareHosts are machines on which nobody has started anything.
func bareHosts(t *testing.T, name string, count int) *lab.Lab {
	t.Helper()
	if shared == nil {
		t.Skipf("NOT TESTED: it needs root and a built binary: run `make test` as root (it sets %s and %s)", binaryVariable, imagesVariable)
	}
	dir, err := os.MkdirTemp("/tmp", "orc-e2e-")
	require.NoError(t, err)
	hosts, err := lab.Up(t.Context(), lab.Options{Dir: dir, Name: name, Managers: count, Binary: binary(), Bare: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			printLogs(hosts)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		require.NoError(t, hosts.Down(ctx))
		require.NoError(t, os.RemoveAll(dir))
	})
	return hosts
}

// walk is somebody on the way from host to host.
type walk struct {
	lab  *lab.Lab
	host *lab.Node
}

func (w *walk) at(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: at HOST")
	}
	host, err := w.lab.Node(args[0])
	ts.Check(err)
	w.host = host
	for _, setting := range host.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		ts.Setenv(name, value)
	}
}

func (w *walk) orc(ts *testscript.TestScript, neg bool, args []string) {
	if n := len(args) - 1; n > 0 && args[n] == "&" {
		ts.Check(w.stay(args[:n]))
		return
	}
	if err := ts.Exec(binary(), args...); (err != nil) != neg {
		ts.Fatalf("orc %s: %v", strings.Join(args, " "), err)
	}
}

// stay starts a command that goes on until the host is taken down.
func (w *walk) stay(args []string) error {
	if err := os.MkdirAll(filepath.Dir(w.host.LogFile()), 0o700); err != nil {
		return err
	}
	log, err := os.Create(w.host.LogFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := w.host.Command(context.Background(), binary(), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	if err := w.host.Dial(cmd.Start); err != nil {
		return err
	}
	go cmd.Wait() // reaps it when the host goes down
	return nil
}

// curl has a connection of its own each time, as the program has.
func (w *walk) curl(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: curl URL")
	}
	page, err := get(args[0])
	if (err != nil) != neg {
		ts.Fatalf("curl %s: %v", args[0], err)
	}
	fmt.Fprint(ts.Stdout(), page)
}

func get(url string) (string, error) {
	client := http.Client{Timeout: visitTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, page)
	}
	return string(page), err
}

func (w *walk) until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ask := func() (string, error) { return get(args[2]) }
	switch args[1] {
	case "curl":
	case "orc":
		ask = func() (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			return w.host.Orc(ctx, args[2:]...)
		}
	default:
		ts.Fatalf("until: cannot repeat %s", args[1])
	}
	for deadline := time.Now().Add(soon); ; wait(100 * time.Millisecond) {
		output, err := ask()
		if err == nil && pattern.MatchString(output) {
			fmt.Fprint(ts.Stdout(), output)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q is not in the output after %s: %v\n%s", args[0], soon, err, output)
		}
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	output := ts.ReadFile("stdout")
	found := pattern.FindStringSubmatch(output)
	if len(found) < 2 {
		ts.Fatalf("%q is not in the output:\n%s", args[1], output)
	}
	ts.Setenv(args[0], found[1])
}
