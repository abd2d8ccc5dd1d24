package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/node"
)

// settingsOf reads a command line of `orc server` or `orc agent` without running it.
func settingsOf(t *testing.T, args ...string) (config node.Config, err error) {
	t.Helper()
	var out bytes.Buffer
	p := &program{Streams: Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }}}
	app := p.app()
	for name, role := range map[string]api.Role{"server": api.RoleManager, "agent": api.RoleWorker} {
		find(app.Commands, name).Action = func(c *cli.Context) error {
			config, err = p.nodeConfig(c, role)
			return err
		}
	}
	resolved, err := resolve(app, args)
	require.NoError(t, err)
	err = app.Run(append([]string{"orc"}, resolved.args...))
	config.Out = nil
	return config, err
}

func file(t *testing.T, content string) string {
	name := filepath.Join(t.TempDir(), "orc.yaml")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestSettingsComeFromFlagsThenVariablesThenTheFile(t *testing.T) {
	t.Setenv("ORC_NAME", "from-env")
	t.Setenv("ORC_LABEL", "zone=env,disk=ssd")
	name := file(t, "name: from-file\ndata-dir: /from/file\nlog-level: debug\nno-agent: true\nlabel: {zone: file}\njoin: [10.0.0.1, \"10.0.0.2:6721\"]\ndisk-full: 70\ngeneric-resource: {gpu: 2, ssd: 1}\n")
	config, err := settingsOf(t, "server", "--config", name, "--log-level", "warn")
	require.NoError(t, err)
	require.Equal(t, node.Config{
		Role: api.RoleManager, Name: "from-env", DataDir: "/from/file", Listen: node.DefaultListen, LogLevel: "warn", NoAgent: true,
		Labels: map[string]string{"zone": "env", "disk": "ssd"}, Join: []string{"10.0.0.1", "10.0.0.2:6721"},
		DiskFull: 70, Generic: map[string]int64{"gpu": 2, "ssd": 1},
	}, config)
}

func TestLimitsAreSettings(t *testing.T) {
	usual := limit.Default()
	name := file(t, "limit: {strangers: 64, body-timeout: 5s}\n")
	config, err := settingsOf(t, "server", "--config", name)
	require.NoError(t, err)
	want := usual
	want.Strangers, want.BodyTimeout = 64, 5*time.Second
	require.Equal(t, want, config.Limits)

	t.Setenv("ORC_LIMIT", "requests=40,connections=300")
	config, err = settingsOf(t, "server", "--config", name)
	require.NoError(t, err)
	want = usual
	want.Requests, want.Connections = 40, 300
	require.Equal(t, want, config.Limits)

	config, err = settingsOf(t, "agent", "--config", name)
	require.NoError(t, err)
	require.Equal(t, want, config.Limits, "a worker may be promoted")

	config, err = settingsOf(t, "server", "--limit", "all-strangers=100")
	require.NoError(t, err)
	require.ErrorContains(t, config.Validate(), "limit strangers=512: that is more than all-strangers=100")
	for arg, says := range map[string]string{
		"strangers": "want NAME=VALUE", "stranger=1": `there is no limit "stranger"; there are handshakes,`, "strangers=0": "the least is 1",
	} {
		_, err = settingsOf(t, "server", "--limit", arg)
		require.ErrorContains(t, err, says)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	}
}

func TestAgentSettings(t *testing.T) {
	config, err := settingsOf(t, "agent", "--join=10.0.0.1:6720", "--join", "10.0.0.2", "--token", "t", "--label", "a=b", "--containerd", "/c.sock",
		"--generic-resource", "gpu=2")
	require.NoError(t, err)
	require.Equal(t, node.Config{
		Role: api.RoleWorker, DataDir: node.DefaultDataDir, LogLevel: "info", Token: "t", Containerd: "/c.sock",
		Labels: map[string]string{"a": "b"}, Join: []string{"10.0.0.1:6720", "10.0.0.2"},
		DiskFull: node.DefaultDiskFull, Generic: map[string]int64{"gpu": 2},
	}, config)
}

func TestABadConfigurationFileIsToldWithItsPlace(t *testing.T) {
	for content, want := range map[string]string{
		"name: x\nlog-levle: info\n": `orc.yaml:2: there is no setting "log-levle"; did you mean log-level? there are`,
		"name: [a, b]\n":             "orc.yaml:1: name: want one value",
		"no-agent: maybe\n":          `orc.yaml:1: no-agent: "maybe": want true or false`,
		"- a\n":                      "orc.yaml:1: want settings as `name: value`",
		"label: {a: {b: c}}\n":       "orc.yaml:1: label: want texts by name",
		"disk-full: much\n":          "orc.yaml:1: ",
		"\tname: x\n":                "orc.yaml: ",
		"config: other\n":            `there is no setting "config"`,
	} {
		_, err := settingsOf(t, "server", "--config", file(t, content))
		require.ErrorContains(t, err, want, content)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	}
	_, err := settingsOf(t, "server", "--config", "/does/not/exist")
	require.ErrorContains(t, err, "--config: open")
	config, err := settingsOf(t, "server", "--config", file(t, "# nothing\n"))
	require.NoError(t, err)
	require.Equal(t, node.DefaultDataDir, config.DataDir)
}

func FuzzConfigurationFile(f *testing.F) {
	f.Add("name: x\njoin: [a, b]\nlabel: {a: b}\n")
	f.Add("- a")
	f.Add("a: *b")
	f.Fuzz(func(t *testing.T, content string) {
		if _, err := settingsOf(t, "server", "--config", file(t, content)); err != nil {
			require.Equal(t, api.CodeInvalid, api.CodeOf(err))
		}
	})
}
