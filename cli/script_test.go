package cli_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/orc-project/orc/cli"
)

// The stories in testdata/script run orc's command line against a manager of
// their own.
//
//	orc ARG…         runs it and wants exit code 0; ! orc wants another
//	exits CODE ARG…  runs it and wants this exit code
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ORC_HOST", "unix://"+startManager(t, env.Defer))
			env.Setenv("ORC_CONFIG_DIR", env.WorkDir+"/config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"orc": func(ts *testscript.TestScript, neg bool, args []string) {
				if code := runOrc(ts, args); (code != 0) != neg {
					ts.Fatalf("orc %s: exit code %d", strings.Join(args, " "), code)
				}
			},
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if code := strconv.Itoa(runOrc(ts, args[1:])); code != args[0] {
					ts.Fatalf("orc %s: exit code %s, not %s", strings.Join(args[1:], " "), code, args[0])
				}
			},
		},
	})
}

func runOrc(ts *testscript.TestScript, args []string) int {
	return cli.Run(context.Background(), cli.Streams{In: strings.NewReader(""), Out: ts.Stdout(), Err: ts.Stderr(), Getenv: ts.Getenv}, args)
}
