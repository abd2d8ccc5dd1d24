package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func (p *program) unlockKey() *cli.Command {
	return &cli.Command{
		Name: "unlock-key", Usage: "show the key that opens snapshots",
		Description: examples("orc unlock-key", "orc unlock-key -q > /media/stick/orc.key") +
			"\n\nKeep it outside of the cluster. Without it no snapshot can be restored; with it and a snapshot, or a\n" +
			"manager's disk, anybody can.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the key"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			key, err := cl.UnlockKey(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("quiet") {
				_, err = fmt.Fprintln(p.Out, key.Key)
				return err
			}
			_, err = fmt.Fprintf(p.Out, "The cluster's unlock key (%s) is\n\n    %s\n\nKeep it outside of the cluster: snapshots open with it alone.\n", key.ID, key.Key)
			return err
		}),
	}
}

// askUnlockKey takes the key from the environment, a pipe, or a person who types
// it: never from the command line, which everybody on the host can read.
func (p *program) askUnlockKey() (string, error) {
	if key := p.Getenv("ORC_UNLOCK_KEY"); key != "" {
		return key, nil
	}
	if file, ok := p.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(p.Err, "Unlock key: ")
		key, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(p.Err)
		return string(key), err
	}
	line, err := bufio.NewReader(io.LimitReader(p.In, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", api.Invalidf("the unlock key is needed: set ORC_UNLOCK_KEY, or give it on standard input")
	}
	return line, nil
}
