package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func binary() string { return os.Getenv(binaryVariable) }

func TestBadInputGetsOneClearLineAndChangesNothing(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "--name", "clock", "--network", "none", "clock:1.0")
	waitRunning(t, "clock", 1)

	cut := filepath.Join(t.TempDir(), "cut.tar")
	whole, err := os.ReadFile(filepath.Join(os.Getenv(imagesVariable), "clock-1.0.tar"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)/2], 0o600))

	for name, test := range map[string]struct {
		args []string
		says string
		code int
	}{
		"name clash":      {[]string{"service", "create", "--name", "clock", "--network", "none", "clock:1.0"}, "clock", 1},
		"unknown service": {[]string{"service", "inspect", "nothing"}, "nothing", 1},
		"unknown node":    {[]string{"node", "update", "--availability", "drain", "n9"}, "n9", 1},
		"unknown flag":    {[]string{"service", "ls", "--nonsense"}, "nonsense", 2},
		"unknown command": {[]string{"srvice", "ls"}, "srvice", 2},
		"unknown key":     {[]string{"deploy", write(t, "bad.yaml", "services:\n  web:\n    image: clock:1.0\n    imagine: 1\n")}, "bad.yaml:4", 1},
		"wrong type":      {[]string{"deploy", write(t, "bad.yaml", "services:\n  web:\n    image: clock:1.0\n    deploy: {replicas: many}\n")}, "bad.yaml:4", 1},
		"build":           {[]string{"deploy", write(t, "bad.yaml", "services:\n  web:\n    build: .\n")}, "build", 1},
		"no such file":    {[]string{"deploy", "/nowhere.yaml"}, "/nowhere.yaml", 1},
		"not an image":    {[]string{"image", "load", write(t, "text.tar", "hello")}, "text.tar", 1},
		"archive cut":     {[]string{"image", "load", cut}, "cut.tar", 1},
		"bad constraint":  {[]string{"service", "create", "--name", "x", "--constraint", "node.nonsense==1", "clock:1.0"}, "node.nonsense", 1},
		"exec in nothing": {[]string{"exec", "clock.7", "true"}, "clock.7", 1},
		"start-first without room": {
			[]string{"service", "create", "--name", "x", "--mode", "global", "--update-order", "start-first", "-p", "published=8099,target=80,mode=host", "clock:1.0"},
			"use stop-first", 1,
		},
		"job with an update order": {[]string{"service", "create", "--name", "x", "--mode", "replicated-job", "--update-order", "start-first", "clock:1.0"}, "a job does not roll", 1},
		"attempts of none":         {[]string{"service", "create", "--name", "x", "--restart-condition", "none", "--restart-max-attempts", "3", "clock:1.0"}, "nothing is started again", 1},
		"missing secret":           {[]string{"service", "create", "--name", "x", "--secret", "nothing", "clock:1.0"}, "nothing", 1},
		"negative scale":           {[]string{"service", "scale", "clock=-1"}, "-1", 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOrc(t, test.args...)
			require.Error(t, err)
			var ended *exec.ExitError
			require.ErrorAs(t, err, &ended)
			require.Equal(t, test.code, ended.ExitCode(), err)
			require.Contains(t, err.Error(), test.says)
			require.NotContains(t, err.Error(), "goroutine", "no stack trace")
		})
	}
	require.Equal(t, 1, strings.Count(orc(t, "service", "ls", "-q"), "\n"), "nothing was made")
}

func TestAPendingTaskSaysWhichNodesLackWhat(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "-d", "--name", "huge", "--reserve-memory", "900G", "--network", "none", "clock:1.0")
	eventually(t, "the reason is shown", func() error {
		if out := orc(t, "service", "ps", "--no-trunc", "huge"); !strings.Contains(out, "memory") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}

func TestACommandThatIsNotInTheImageIsSaid(t *testing.T) {
	cluster(t)
	orc(t, "service", "create", "-d", "--name", "wrong", "--network", "none", "--entrypoint", "/no/such/command", "clock:1.0")
	eventually(t, "the reason is shown", func() error {
		if out := orc(t, "service", "ps", "--no-trunc", "wrong"); !strings.Contains(out, "/no/such/command") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}
