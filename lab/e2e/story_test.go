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

	"github.com/orc-project/orc/lab"
)

// tell plays a story on a lab: a text that says what somebody types, and what the
// screen shows then. Besides testscript's own commands, it has these:
//
//	at HOST              sits down at another host; it begins at the first
//	orc ARG…             types an orc command there; with & at the end it stays
//	curl URL             asks for a page, from outside of the cluster
//	until PATTERN …      types the command again until its output fits
//	keep NAME PATTERN    keeps what the first parentheses match in the last output
func tell(t *testing.T, on *lab.Lab, story string) {
	t.Helper()
	u := &user{lab: on}
	testscript.Run(t, testscript.Params{
		Files:               []string{story},
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("images", os.Getenv(imagesVariable))
			env.Setenv("me", on.Gateway().String())
			for _, host := range on.Nodes() {
				env.Setenv(host.Name(), host.Address().String())
			}
			u.sit(on.Nodes()[0], env.Setenv)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"at": u.at, "orc": u.orc, "curl": curl, "until": u.until, "keep": keep,
		},
	})
}

// user is somebody at the terminal of a host.
type user struct {
	lab  *lab.Lab
	host *lab.Node
}

func (u *user) at(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: at HOST")
	}
	host, err := u.lab.Node(args[0])
	ts.Check(err)
	u.sit(host, ts.Setenv)
}

// sit makes the commands that follow those of another host.
func (u *user) sit(host *lab.Node, set func(name, value string)) {
	u.host = host
	for _, setting := range host.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		set(name, value)
	}
}

func (u *user) orc(ts *testscript.TestScript, neg bool, args []string) {
	if n := len(args) - 1; n > 0 && args[n] == "&" {
		ts.Check(u.stay(args[:n]))
		return
	}
	if err := ts.Exec(binary(), args...); (err != nil) != neg {
		ts.Fatalf("orc %s: %v", strings.Join(args, " "), err)
	}
}

// stay starts a command that goes on until the host is taken down.
func (u *user) stay(args []string) error {
	if err := os.MkdirAll(filepath.Dir(u.host.LogFile()), 0o700); err != nil {
		return err
	}
	log, err := os.Create(u.host.LogFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := u.host.Command(context.Background(), binary(), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	if err := u.host.Dial(cmd.Start); err != nil {
		return err
	}
	go cmd.Wait() // reaps it when the host goes down
	return nil
}

// curl has a connection of its own each time, as the program has.
func curl(ts *testscript.TestScript, neg bool, args []string) {
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

func (u *user) until(ts *testscript.TestScript, neg bool, args []string) {
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
			return u.host.Orc(ctx, args[2:]...)
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
