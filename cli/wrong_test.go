package cli_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/cli"
)

// wrongs are names that nothing has, and the exit code when they are given.
var wrongs = []struct {
	what, name string
	code       int
}{
	{"unknown", "clok", 1},
	{"empty", "", 2},
	{"very long", strings.Repeat("x", 5000), 1},
	{"with control characters", "a\x1b[31m\nb", 1},
	{"dots", "..", 1},
	{"with a slash", "a/b", 1},
	{"as a part of a URL", "a%2fb?c", 1},
}

// maxComplaint is more than any error about one wrong argument takes, in bytes.
const maxComplaint = 300

// TestWrongArgumentsAreOneClearLine: every command that takes arguments, with each that
// is wrong, says so on one line that a terminal can show, and ends with 2 where the
// command line cannot be right and with 1 where there is nothing of that name.
func TestWrongArgumentsAreOneClearLine(t *testing.T) {
	home := t.TempDir()
	environment := map[string]string{
		"ORC_HOST": "unix://" + startManager(t, t.Cleanup), "ORC_CONFIG_DIR": home,
		"ORC_DATA_DIR": home + "/data", "ORC_LAB_DIR": home + "/lab", "ORC_UNLOCK_KEY": "wrong",
	}
	run := func(args ...string) (code int, out, complaint string) {
		var stdout, stderr bytes.Buffer
		code = cli.Run(t.Context(), cli.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(name string) string {
			return environment[name]
		}}, args)
		return code, stdout.String(), stderr.String()
	}
	code, _, complaint := run("service", "create", "--detach", "--name", "demo_clock", "clock:1.0")
	require.Zero(t, code, complaint)

	check := func(words []string, what string, want int) {
		code, out, complaint := run(words...)
		shown := fmt.Sprintf("%.60q, %s: exit code %d\n%s%s", words, what, code, out, complaint)
		assert.Equal(t, want, code, shown)
		assert.Empty(t, out, shown)
		assert.True(t, strings.HasPrefix(complaint, "orc"), shown)
		assert.Equal(t, strings.IndexByte(complaint, '\n'), len(complaint)-1, "one line: %s", shown)
		assert.LessOrEqual(t, len(complaint), maxComplaint, shown)
		assert.NotContains(t, complaint, "\x1b", shown)
		assert.NotContains(t, complaint, "the API has no", shown)
	}
	for _, leaf := range cli.Leaves() {
		takes := strings.Fields(leaf.Takes)
		var least []string // arguments that the command does not do without
		for _, word := range takes {
			if !strings.HasPrefix(word, "[") {
				least = append(least, strings.TrimSuffix(word, "…"))
			}
		}
		if len(least) > 0 {
			check(leaf.Words, "an argument is missing", 2)
		}
		if !strings.Contains(leaf.Takes, "…") {
			check(append(leaf.Words[:len(leaf.Words):len(leaf.Words)], "1", "2", "3", "4"), "too many", 2)
		}
		if len(takes) == 0 || makes(leaf) {
			continue
		}
		for _, wrong := range wrongs {
			args := append([]string{}, leaf.Words...)
			for i, word := range append(least, takes...)[:max(1, len(least))] {
				switch arg := "file.go"; {
				case i > 0:
					args = append(args, arg)
				case strings.HasSuffix(word, "=REPLICAS"):
					args = append(args, wrong.name+"=1")
				default:
					args = append(args, wrong.name)
				}
			}
			want := wrong.code
			if leaf.Path() == "orc completion" { // it has three names and no other
				want = 2
			}
			check(args, wrong.what, want)
		}
	}
}

// makes says that what a command is given need not be there yet.
func makes(leaf cli.Leaf) bool {
	return leaf.Words[len(leaf.Words)-1] == "create" || leaf.Path() == "orc snapshot save"
}

// TestWhatWasMeantIsAsked: every command that is given the name of a service, task or
// node that is nearly right asks whether that was meant.
func TestWhatWasMeantIsAsked(t *testing.T) {
	home := t.TempDir()
	host := "unix://" + startManager(t, t.Cleanup)
	run := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := cli.Run(t.Context(), cli.Streams{In: strings.NewReader("x"), Out: &stdout, Err: &stderr, Getenv: func(name string) string {
			return map[string]string{"ORC_HOST": host, "ORC_CONFIG_DIR": home}[name]
		}}, args)
		return code, stderr.String()
	}
	for _, words := range []string{
		"service create --detach --name demo_clock clock:1.0", "network create front", "secret create password -", "config create motd -", "volume create data",
	} {
		code, complaint := run(strings.Fields(words)...)
		require.Zero(t, code, complaint)
	}
	wrong := map[string][2]string{
		"SERVICE": {"demo_clok", "demo_clock"}, "CONTAINER": {"demo_clok.1", "demo_clock.1"}, "TASK": {"demo_clock", "demo_clock.1"}, "NODE": {"n12", "n1"},
		"NETWORK": {"frnt", "front"}, "SECRET": {"pasword", "password"}, "CONFIG": {"mot", "motd"}, "VOLUME": {"dat", "data"}, "IMAGE": {"clok:1.0", "clock:1.0"},
		"CONTEXT": {"loca", "local"}, "NAME": {"clock", "demo_clock"},
	}
	asked := 0
	for _, leaf := range cli.Leaves() {
		noun := strings.FieldsFunc(leaf.Takes, func(r rune) bool { return r < 'A' || r > 'Z' })
		if len(noun) == 0 || makes(leaf) || leaf.Words[0] == "lab" {
			continue
		}
		name, known := wrong[noun[0]]
		if !known {
			continue
		}
		args := append(leaf.Words[:len(leaf.Words):len(leaf.Words)], name[0])
		switch {
		case strings.Contains(leaf.Takes, "=REPLICAS"):
			args[len(args)-1] += "=3"
		case leaf.Path() == "orc exec", strings.Contains(leaf.Takes, " FILE"):
			args = append(args, "-")
		}
		asked++
		code, complaint := run(args...)
		assert.Equal(t, 1, code, "%s: %s", leaf.Path(), complaint)
		assert.Contains(t, complaint, ": did you mean "+name[1]+"?", leaf.Path())
	}
	require.Greater(t, asked, 30)
	for _, words := range []string{"ps --node n12", "node ps n12", "service create --network frnt clock:1.0", "service create --secret pasword clock:1.0"} {
		code, complaint := run(strings.Fields(words)...)
		assert.Equal(t, 1, code, "%s: %s", words, complaint)
		assert.Contains(t, complaint, "did you mean", words)
	}
}
