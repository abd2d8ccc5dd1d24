// Package cli is orc's command line: it reads flags, asks the API and shows the
// answers, one command or noun a file. It decides nothing about the cluster and
// keeps nothing but the contexts of its user.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/cli/progress"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// Streams are what a command reads and writes, and the environment it sees.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// Parts are the versions of what the binary carries, for `orc version`.
	Parts map[string]string
}

// Run runs orc with the arguments that follow its name, and returns the exit code:
// 0, 1 for what failed (one line on Err says why), 2 for wrong usage, or the code
// of the command that `orc exec` ran. Canceling ctx ends it.
func Run(ctx context.Context, streams Streams, args []string) int {
	if streams.Getenv == nil {
		streams.Getenv = os.Getenv
	}
	p := &program{Streams: streams}
	return p.exitCode(p.run(ctx, args))
}

// program is one run of the command line.
type program struct {
	Streams
}

func (p *program) run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "__complete" {
		return p.complete(ctx, args[1:])
	}
	if len(args) == 1 && (args[0] == "--version" || args[0] == "-v") {
		args = []string{"version", "--client"}
	}
	app := p.app()
	call, err := resolve(app, args)
	switch {
	case err != nil:
		return err
	case call.help:
		return writeHelp(p.Out, call)
	}
	return app.RunContext(ctx, append([]string{app.Name}, call.args...))
}

// app is the tree of all commands. It is made anew for each run: the flags in it
// hold values.
func (p *program) app() *cli.App {
	return &cli.App{
		Name:  "orc",
		Usage: "a cluster of Linux hosts that runs containers",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "host", Aliases: []string{"H"}, Usage: "`URL` of the manager to ask: unix:///PATH or https://HOST:6720 [ORC_HOST]"},
			&cli.StringFlag{Name: "context", Aliases: []string{"c"}, Usage: "the `CONTEXT` to use, instead of the current one [ORC_CONTEXT]"},
		},
		Commands:                  withoutHelp(p.commands()),
		Reader:                    p.In,
		Writer:                    p.Out,
		ErrWriter:                 p.Err,
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // urfave's own ends the process
	}
}

// withoutHelp keeps urfave/cli's own help command out: it would take an argument
// "h" for itself, and is one object for the whole process.
func withoutHelp(commands []*cli.Command) []*cli.Command {
	for _, command := range commands {
		command.HideHelp = true
		withoutHelp(command.Subcommands)
	}
	return commands
}

// exitCode tells the user what went wrong, on one line.
func (p *program) exitCode(err error) int {
	var usage *usageError
	var coded cli.ExitCoder
	switch {
	case err == nil:
		return 0
	case errors.Is(err, progress.ErrInterrupted), errors.Is(err, context.Canceled):
		if text := err.Error(); text != context.Canceled.Error() {
			p.complain(text)
		}
		return exitInterrupted
	case errors.As(err, &usage):
		p.complain(usage.Error())
		return exitUsage
	case errors.As(err, &coded):
		if text := coded.Error(); text != "" {
			p.complain(text)
		}
		return coded.ExitCode()
	}
	p.complain(err.Error())
	return exitFailed
}

// visible shows characters that would command the terminal as Go writes them.
func visible(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// complain prints an error, which is one line but for a file with many mistakes.
// Some begin with the command they are about, as "orc service ls: ".
func (p *program) complain(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(visible(line))
		switch {
		case line == "":
			continue
		case !strings.HasPrefix(line, "orc:") && !strings.HasPrefix(line, "orc "):
			line = "orc: " + line
		}
		fmt.Fprintln(p.Err, line)
	}
}
