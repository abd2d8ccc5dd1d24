package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/lab"
)

// labUpTimeout is how long `orc lab up` waits for its nodes.
const labUpTimeout = 5 * time.Minute

func labCommand() *cli.Command {
	return &cli.Command{
		Name:  "lab",
		Usage: "Run a real cluster on this host, a network namespace per node",
		Description: `A lab is for trying orc out and for breaking it on purpose. Every node has a
network, an orc process, a data directory and a containerd of its own.

   orc lab up --managers 1 --agents 2
   orc lab exec n1 -- orc node ls
   orc lab kill n3
   orc lab down`,
		Subcommands: []*cli.Command{
			labUp(), labLs(), labExec(),
			labNode("stop", "End a node's orc process by SIGTERM; its containers go on", (*lab.Node).Stop),
			labNode("crash", "End a node's orc process by SIGKILL; its containers go on", (*lab.Node).KillProcess),
			labNode("kill", "Cut a node's power: everything on it ends at once", (*lab.Node).Kill),
			labNode("start", "Start a node that was stopped, crashed or killed", (*lab.Node).Start),
			labNode("pause", "Freeze every process of a node", plainly((*lab.Node).Pause)),
			labNode("resume", "Let a paused node go on", plainly((*lab.Node).Resume)),
			labNode("cut", "Pull a node's network cable", plainly((*lab.Node).Cut)),
			labNode("heal", "Put a node's network cable back", plainly((*lab.Node).Heal)),
			labDown(),
		},
	}
}

func labFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "name", Value: "lab", Usage: "the lab's `NAME`", EnvVars: []string{"ORC_LAB"}},
		&cli.StringFlag{Name: "dir", Value: lab.DefaultDir, Usage: "`DIRECTORY` of all labs", EnvVars: []string{"ORC_LAB_DIR"}},
	)
}

func openLab(c *cli.Context) (*lab.Lab, error) { return lab.Open(c.String("dir"), c.String("name")) }

func labUp() *cli.Command {
	return &cli.Command{
		Name:  "up",
		Usage: "Make a lab and wait until its nodes are ready",
		Description: `   orc lab up
   orc lab up --name big --managers 3 --agents 5 --subnet 10.99.0.0/24`,
		Flags: labFlags(
			&cli.IntFlag{Name: "managers", Value: 1, Usage: "how many `NODES` are managers"},
			&cli.IntFlag{Name: "agents", Value: 2, Usage: "how many `NODES` are workers"},
			&cli.StringFlag{Name: "subnet", Usage: "the nodes' addresses, an IPv4 /24 (default: a free one)"},
		),
		Action: func(c *cli.Context) error {
			options := lab.Options{
				Dir: c.String("dir"), Name: c.String("name"), Managers: c.Int("managers"), Agents: c.Int("agents"),
				Progress: func(what string) { fmt.Fprintln(c.App.ErrWriter, what) },
			}
			if text := c.String("subnet"); text != "" {
				subnet, err := netip.ParsePrefix(text)
				if err != nil {
					return fmt.Errorf("--subnet %s: want something like 10.99.0.0/24", text)
				}
				options.Subnet = subnet
			}
			ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, cancel := contextWithTimeout(ctx, labUpTimeout)
			defer cancel()
			l, err := lab.Up(ctx, options)
			if err != nil {
				return err
			}
			first := l.Nodes()[0]
			fmt.Fprintf(c.App.Writer, "Lab %s is up. Be on a node with `orc lab exec n1`, or from here:\n  export ORC_HOST=unix://%s\n", l.Name(), first.Socket())
			return nil
		},
	}
}

func labDown() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "Remove a lab with everything that it made, also after a crash",
		Flags: labFlags(),
		Action: func(c *cli.Context) error {
			l, err := openLab(c)
			if err != nil {
				return err
			}
			return l.Down(c.Context)
		},
	}
}

// labNode is a command that does one thing to each of the nodes named.
func labNode(name, usage string, do func(*lab.Node, ctx) error) *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       usage,
		ArgsUsage:   "NODE…",
		Description: fmt.Sprintf("   orc lab %s n2", name),
		Flags:       labFlags(),
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return cli.Exit("name a node, as: orc lab "+name+" n2", 2)
			}
			l, err := openLab(c)
			if err != nil {
				return err
			}
			for _, each := range c.Args().Slice() {
				node, err := l.Node(each)
				if err != nil {
					return err
				}
				if err := do(node, c.Context); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func plainly(do func(*lab.Node) error) func(*lab.Node, ctx) error {
	return func(n *lab.Node, _ ctx) error { return do(n) }
}

func labExec() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "Run a command in a node's network, orc's commands speaking to that node",
		ArgsUsage: "NODE [--] [COMMAND [ARG…]]",
		Description: `   orc lab exec n1                  # a shell
   orc lab exec n2 -- ip route`,
		Flags: labFlags(),
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return cli.Exit("name a node, as: orc lab exec n1", 2)
			}
			l, err := openLab(c)
			if err != nil {
				return err
			}
			node, err := l.Node(c.Args().First())
			if err != nil {
				return err
			}
			args := c.Args().Tail()
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			if len(args) == 0 {
				args = []string{"sh"}
			}
			cmd := node.Command(c.Context, args[0], args[1:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, c.App.Writer, c.App.ErrWriter
			err = node.Exec(cmd)
			if code := exitCode(err); code > 0 {
				return cli.Exit("", code)
			}
			return err
		},
	}
}

func labLs() *cli.Command {
	return &cli.Command{
		Name:  "ls",
		Usage: "List a lab's nodes",
		Flags: labFlags(&cli.StringFlag{Name: "format", Usage: "a Go `TEMPLATE` of .Name, .Role, .Address, .Pid, .Socket"}),
		Action: func(c *cli.Context) error {
			l, err := openLab(c)
			if errors.Is(err, lab.ErrNoLab) && !c.IsSet("name") {
				names, err := lab.Names(c.String("dir"))
				if err != nil || len(names) == 0 {
					return errors.Join(err, errors.New("there is no lab: orc lab up makes one"))
				}
				return fmt.Errorf("no lab is named lab, but there are: %s (say --name)", strings.Join(names, ", "))
			}
			if err != nil {
				return err
			}
			return printLab(c, l)
		},
	}
}
