package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "write docs/cli.md and the golden files anew")

// docs/cli.md is every command's help: read its difference as that of the help.
func TestReferenceIsUpToDate(t *testing.T) {
	reference := writeReference(t)
	file := filepath.Join("..", "docs", "cli.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(reference), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err, "make it: go test ./cli -run Reference -update")
	require.Equal(t, string(have), reference, "write it anew: go test ./cli -run Reference -update")
}

func writeReference(t *testing.T) string {
	t.Helper()
	app := (&program{Streams: Streams{Getenv: func(string) string { return "" }}}).app()
	var out strings.Builder
	out.WriteString("# orc's commands\n\nThis page is made from the program: `go test ./cli -run Reference -update`.\n\n" +
		"Flags may stand before or behind arguments, and short ones together (`-it`). Exit codes: 0, 1 for what\n" +
		"failed, 2 for wrong usage, 130 when interrupted; `orc exec` passes the command's own on.\n")
	writeEntry(t, &out, &call{path: app.Name, app: app})
	writeEntries(t, &out, app, app.Name, app.Commands)
	return out.String()
}

func writeEntries(t *testing.T, out *strings.Builder, app *cli.App, path string, commands []*cli.Command) {
	for _, command := range commands {
		if command.Hidden {
			continue
		}
		writeEntry(t, out, &call{path: path + " " + command.Name, app: app, command: command})
		writeEntries(t, out, app, path+" "+command.Name, command.Subcommands)
	}
}

func writeEntry(t *testing.T, out *strings.Builder, c *call) {
	out.WriteString("\n## " + c.path + "\n\n```\n")
	require.NoError(t, writeHelp(out, c))
	out.WriteString("```\n")
}

// Help is only of use with an example in it.
func TestEveryCommandHasExamplesAndEveryFlagSaysWhatItDoes(t *testing.T) {
	app := (&program{Streams: Streams{Getenv: func(string) string { return "" }}}).app()
	var check func(path string, commands []*cli.Command)
	check = func(path string, commands []*cli.Command) {
		for _, command := range commands {
			at := path + " " + command.Name
			require.NotEmpty(t, command.Usage, at)
			if len(command.Subcommands) == 0 {
				require.Contains(t, command.Description, at, at)
			}
			for _, flag := range command.Flags {
				described := flag.(cli.DocGenerationFlag)
				if visible, can := flag.(cli.VisibleFlag); can && visible.IsVisible() {
					require.NotEmpty(t, described.GetUsage(), "%s --%s", at, flag.Names()[0])
				}
			}
			check(at, command.Subcommands)
		}
	}
	check(app.Name, app.Commands)
}
