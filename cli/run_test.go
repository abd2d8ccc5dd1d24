package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli"
)

// orc runs a command line in a directory of its own without a manager.
func orc(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	home := t.TempDir()
	code = cli.Run(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(name string) string {
		return map[string]string{"ORC_CONFIG_DIR": home, "ORC_DATA_DIR": home}[name]
	}}, args)
	return code, stdout.String(), stderr.String()
}

func TestWrongUsageIsOneLineAndExitCode2(t *testing.T) {
	for line, want := range map[string]string{
		"servce ls":                             `orc: there is no command "servce"; did you mean service? see ` + "`orc --help`\n",
		"service lss":                           `did you mean ls?`,
		"service ls --formt json":               "there is no flag --formt; did you mean --format? see `orc service ls --help`",
		"service ls -z":                         "there is no flag -z",
		"service rm":                            "orc service rm: SERVICE… is missing; see `orc service rm --help`",
		"service ls web":                        `it takes no argument, and "web" is given`,
		"service ls --format":                   "--format needs a value",
		"service create --replicas x image":     `--replicas "x": want a number`,
		"service create --update-delay 5 image": `--update-delay "5": want a time such as 10s or 1m30s`,
		"service create --tty=maybe image":      `--tty "maybe": want true or false`,
		"service scale web":                     `"web": want SERVICE=REPLICAS`,
		"service scale a=1 a=2":                 "a is named twice",
		"token boss":                            `orc token: there is no command "boss"`,
		"token worker --rotate --uses 1":        "leave out --expires and --uses",
		"token worker --uses 0":                 "--uses 0: want 1 or more",
		"token worker --expires -1h":            "--expires -1h0m0s: want a time such as 1h",
		"node update --availability gone n1":    "want active, pause or drain",
		"completion tcsh":                       "want bash, fish, zsh",
		"events --filter colour=red":            `--filter "colour=red": want KEY=VALUE with one of action, `,
		"service logs --tail some web":          `--tail "some": want a number of lines, or all`,
		"logs --since tomorrow web":             `--since "tomorrow": want a time`,
	} {
		code, out, errors := orc(t, strings.Fields(line)...)
		require.Contains(t, errors, want, line)
		require.Equal(t, 2, code, line)
		require.Empty(t, out, line)
		require.Equal(t, 1, strings.Count(errors, "\n"), line)
		require.Regexp(t, `^orc(:| [a-z])`, errors, line)
		require.NotContains(t, errors, "orc: orc", line)
	}
}

func TestWithoutAManagerOneLineSaysSo(t *testing.T) {
	code, _, errors := orc(t, "service", "ls")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "no orc manager runs here")
	require.Equal(t, 1, strings.Count(errors, "\n"))
}

func TestVersionNeedsNoManager(t *testing.T) {
	code, out, _ := orc(t, "version")
	require.Zero(t, code)
	require.Contains(t, out, "Client: orc ")
	require.Contains(t, out, "Manager: no orc manager runs here")
	code, out, _ = orc(t, "--version")
	require.Zero(t, code)
	require.NotContains(t, out, "Manager")
}

func TestCompletionKnowsCommandsAndFlags(t *testing.T) {
	for line, want := range map[string]string{
		"s":                         "secret\nserver\nservice\nsnapshot\nstats\nsystem\n",
		"service s":                 "scale\n",
		"service create --update-o": "--update-order\n",
		"--host x service ro":       "rollback\n",
	} {
		code, out, _ := orc(t, append([]string{"__complete"}, strings.Fields(line)...)...)
		require.Zero(t, code)
		require.Equal(t, want, out, line)
	}
}

func TestCompletionKnowsNames(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/services", []api.ServiceView{web(nil), web(func(v *api.ServiceView) { v.Name = "db" })})
	complete := func(words ...string) string {
		code, out, errors := orc(t, append([]string{"__complete", "--host", f.host}, words...)...)
		require.Zero(t, code)
		require.Empty(t, errors)
		return out
	}
	require.Equal(t, "db\nweb\n", complete("service", "ps", ""))
	require.Equal(t, "web\n", complete("service", "scale", "w"))
	require.Equal(t, "web\n", complete("service", "rm", "db", "w"))
	require.Equal(t, "--filter\n--format\n", complete("service", "ps", "--f"))
	require.Equal(t, "web\n", complete("ps", "--service", "w")+complete("stats", "--service", "w"), "a flag's value")
	require.Empty(t, complete("service", "rollback", "web", ""), "it takes one")
	require.Equal(t, "local\n", complete("context", "use", ""))
	f.on("GET /v1/images", api.Listing[api.ImageView]{Items: []api.ImageView{{Image: api.Image{Name: "docker.io/library/web:1.0"}}}})
	f.on("GET /v1/volumes", api.Listing[api.VolumeView]{Items: []api.VolumeView{{Volume: api.Volume{Name: "data"}}}})
	require.Equal(t, "web:1.0\n", complete("service", "create", "w"))
	require.Empty(t, complete("service", "create", "web:1.0", "w"), "a command of the image's")
	require.Equal(t, "web:1.0\n", complete("image", "rm", ""))
	require.Equal(t, "data\n", complete("volume", "inspect", ""))
	require.Empty(t, complete("volume", "create", ""), "a new name nobody knows")
	require.Empty(t, complete("network", "rm", ""), "an error offers nothing")
}

// BenchmarkStart is what every command pays before it asks a manager.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		var out bytes.Buffer
		if cli.Run(b.Context(), cli.Streams{In: &out, Out: &out, Err: &out}, []string{"version", "--client"}) != 0 {
			b.Fatal(out.String())
		}
	}
}
