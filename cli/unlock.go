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

func (p *program) lock() *cli.Command {
	return &cli.Command{
		Name: "lock", Usage: "lock the manager, as a restart does when the cluster locks itself",
		Description: examples("orc lock") +
			"\n\nIt then does nothing but wait for `orc unlock` on its host: containers on it go on, and run elsewhere\n" +
			"too after the node timeout.",
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			return cl.Lock(c.Context)
		}),
	}
}

func (p *program) unlock() *cli.Command {
	return &cli.Command{
		Name: "unlock", Usage: "unlock the manager on this host",
		Description: examples("orc unlock", "orc unlock < /media/stick/orc.key") +
			"\n\nIt asks for the unlock key, unless ORC_UNLOCK_KEY has it or it comes on standard input.",
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			key, err := p.askUnlockKey()
			if err != nil {
				return err
			}
			return cl.Unlock(c.Context, key)
		}),
	}
}

func (p *program) unlockKey() *cli.Command {
	return &cli.Command{
		Name: "unlock-key", Usage: "show the key that opens snapshots and locked managers",
		Description: examples("orc unlock-key", "orc unlock-key -q > /media/stick/orc.key", "orc unlock-key --rotate") +
			"\n\nKeep it outside of the cluster. Without it no snapshot can be restored, and no manager of a cluster\n" +
			"that locks itself be started; with it and a snapshot, or a manager's disk, anybody has the cluster.\n" +
			"Snapshots that were made before a rotation open with the old key, and so does a manager that was off\n" +
			"meanwhile: keep it as long as you keep those.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the key"},
			&cli.BoolFlag{Name: "rotate", Usage: "make a new key"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			ask := cl.UnlockKey
			if c.Bool("rotate") {
				ask = cl.RotateUnlockKey
			}
			key, err := ask(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("quiet") {
				_, err = fmt.Fprintln(p.Out, key.Key)
				return err
			}
			return p.showUnlockKey(key)
		}),
	}
}

func (p *program) showUnlockKey(key api.UnlockKey) error {
	_, err := fmt.Fprintf(p.Out, "The cluster's unlock key (%s) is\n\n    %s\n\nKeep it outside of the cluster: its snapshots, and its managers when they are locked, open with it alone.\n", key.ID, key.Key)
	return err
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
