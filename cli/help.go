package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// writeHelp shows how a command is used. Its own, for urfave/cli's is longer than
// a screen for commands with Docker Swarm's many flags.
func writeHelp(w io.Writer, c *call) error {
	var out strings.Builder
	usage, description, flags, commands := c.app.Usage, c.app.Description, c.app.Flags, c.app.Commands
	args := ""
	if c.command != nil {
		usage, description, flags, commands = c.command.Usage, c.command.Description, c.command.Flags, c.command.Subcommands
		args = c.command.ArgsUsage
	}
	fmt.Fprintf(&out, "Usage: %s\n\n%s\n", usageLine(c.path, args, flags, commands), upperFirst(usage))
	if description != "" {
		fmt.Fprintf(&out, "\n%s\n", strings.Trim(description, "\n"))
	}
	writeCommands(&out, commands)
	writeFlags(&out, flags)
	if len(commands) > 0 {
		fmt.Fprintf(&out, "\n`%s COMMAND --help` tells more about a command.\n", c.path)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func usageLine(path, args string, flags []cli.Flag, commands []*cli.Command) string {
	line := path
	if len(flags) > 0 {
		line += " [OPTIONS]"
	}
	if len(commands) > 0 {
		line += " COMMAND"
	}
	if args != "" {
		line += " " + args
	}
	return line
}

func writeCommands(out *strings.Builder, commands []*cli.Command) {
	var rows [][2]string
	for _, command := range commands {
		if !command.Hidden {
			rows = append(rows, [2]string{command.Name, upperFirst(command.Usage)})
		}
	}
	writeRows(out, "Commands", rows)
}

func writeFlags(out *strings.Builder, flags []cli.Flag) {
	var rows [][2]string
	for _, flag := range flags {
		described, ok := flag.(cli.DocGenerationFlag)
		if visible, can := flag.(cli.VisibleFlag); !ok || can && !visible.IsVisible() {
			continue
		}
		rows = append(rows, describe(flag, described))
	}
	writeRows(out, "Options", rows)
}

// describe tells a flag's names with what they take, and what it does.
func describe(flag cli.Flag, described cli.DocGenerationFlag) [2]string {
	usage, placeholder := described.GetUsage(), "VALUE"
	if before, rest, found := strings.Cut(usage, "`"); found {
		if quoted, after, closed := strings.Cut(rest, "`"); closed {
			placeholder, usage = quoted, before+quoted+after
		}
	}
	long, short := "", "    "
	for _, name := range flag.Names() {
		if len(name) == 1 {
			short = "-" + name + ", "
		} else if long == "" {
			long = "--" + name
		}
	}
	if long == "" {
		long, short = strings.TrimSuffix(short, ", "), ""
	}
	if described.TakesValue() {
		long += " " + placeholder
		if value := described.GetDefaultText(); value != "" && value != `""` && value != "0" && value != "0s" {
			usage += " (default " + value + ")"
		}
	}
	if env := described.GetEnvVars(); len(env) > 0 {
		usage += " [" + strings.Join(env, ", ") + "]"
	}
	return [2]string{short + long, usage}
}

func writeRows(out *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, row := range rows {
		fmt.Fprintf(out, "  %-*s   %s\n", width, row[0], row[1])
	}
}

func upperFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
