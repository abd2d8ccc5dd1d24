package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/cli/output"
	"github.com/orc-project/orc/lab"
)

// labUpTimeout is how long `orc lab up` waits for its nodes.
const labUpTimeout = 5 * time.Minute

func (p *program) lab() *cli.Command {
	return &cli.Command{
		Name: "lab", Usage: "Run a real cluster on this host, a network namespace per node",
		Description: `A lab is for trying orc out and for breaking it on purpose. Every node has a
network, an orc process, a data directory and a containerd of its own.

` + examples("orc lab up --managers 1 --agents 2", "orc lab exec n1 -- orc node ls", "orc lab kill n3", "orc lab down"),
		Subcommands: []*cli.Command{
			p.labUp(), p.labLs(), p.labExec(),
			p.labNode("stop", "End a node's orc process by SIGTERM; its containers go on", (*lab.Node).Stop),
			p.labNode("crash", "End a node's orc process by SIGKILL; its containers go on", (*lab.Node).KillProcess),
			p.labNode("kill", "Cut a node's power: everything on it ends at once", (*lab.Node).Kill),
			p.labNode("start", "Start a node that was stopped, crashed or killed", (*lab.Node).Start),
			p.labNode("pause", "Freeze every process of a node", plainly((*lab.Node).Pause)),
			p.labNode("resume", "Let a paused node go on", plainly((*lab.Node).Resume)),
			p.labNode("cut", "Pull a node's network cable", plainly((*lab.Node).Cut)),
			p.labNode("heal", "Put a node's network cable back", plainly((*lab.Node).Heal)),
			p.labMove(), p.labDown(),
		},
	}
}

func labFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "name", Value: "lab", Usage: "the lab's `NAME`", EnvVars: []string{"ORC_LAB"}},
		&cli.StringFlag{Name: "dir", Value: lab.DefaultDir, Usage: "the `DIRECTORY` of all labs", EnvVars: []string{"ORC_LAB_DIR"}},
	)
}

func openLab(c *cli.Context) (*lab.Lab, error) {
	l, err := lab.Open(c.String("dir"), c.String("name"))
	if !errors.Is(err, lab.ErrNoLab) {
		return l, err
	}
	names, listErr := lab.Names(c.String("dir"))
	if listErr == nil && len(names) > 0 {
		return nil, fmt.Errorf("no lab is named %s; there are: %s (say --name)", c.String("name"), strings.Join(names, ", "))
	}
	return nil, err
}

func (p *program) labUp() *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "Make a lab and wait until its nodes are ready",
		Description: examples("orc lab up", "orc lab up --name big --managers 1 --agents 5 --subnet 10.99.0.0/24"),
		Flags: labFlags(
			&cli.IntFlag{Name: "managers", Value: 1, Usage: "how many `NODES` are managers"},
			&cli.IntFlag{Name: "agents", Value: 2, Usage: "how many `NODES` are workers"},
			&cli.StringFlag{Name: "subnet", Usage: "the nodes' addresses, an IPv4 `/24` (default: a free one)"},
		),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			options := lab.Options{
				Dir: c.String("dir"), Name: c.String("name"), Managers: c.Int("managers"), Agents: c.Int("agents"),
				Progress: func(what string) { fmt.Fprintln(p.Err, what) },
			}
			if text := c.String("subnet"); text != "" {
				subnet, err := netip.ParsePrefix(text)
				if err != nil {
					return usagef("--subnet %s: want something like 10.99.0.0/24", text)
				}
				options.Subnet = subnet
			}
			ctx, cancel := context.WithTimeout(c.Context, labUpTimeout)
			defer cancel()
			l, err := lab.Up(ctx, options)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Out, "Lab %s is up. Be on a node with `orc lab exec --name %[1]s n1`, or from here:\n\n    export ORC_HOST=unix://%s\n\n",
				l.Name(), l.Nodes()[0].Socket())
			return err
		},
	}
}

func (p *program) labDown() *cli.Command {
	return &cli.Command{
		Name: "down", Usage: "Remove a lab with everything that it made, also after a crash",
		Description: examples("orc lab down", "orc lab down --name big"),
		Flags:       labFlags(),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			l, err := openLab(c)
			if err != nil {
				return err
			}
			return l.Down(c.Context)
		},
	}
}

// labNode is a command that does one thing to each of the nodes named.
func (p *program) labNode(name, usage string, do func(*lab.Node, context.Context) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NODE…",
		Description: examples("orc lab "+name+" n2", "orc lab "+name+" --name big n2 n3"),
		Flags:       labFlags(),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
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

func (p *program) labMove() *cli.Command {
	return &cli.Command{
		Name: "move", Usage: "Give a node another address while it runs, as a DHCP server may", ArgsUsage: "NODE [ADDRESS]",
		Description: "The old address goes at once. Without ADDRESS it is the next free one.\n\n" +
			examples("orc lab move n2", "orc lab move n2 10.99.0.77"),
		Flags: labFlags(),
		Action: func(c *cli.Context) error {
			l, node, err := labNodeOf(c, 2)
			if err != nil {
				return err
			}
			address, err := l.FreeAddress()
			if text := c.Args().Get(1); text != "" {
				if address, err = netip.ParseAddr(text); err != nil {
					return usagef("%s: want an address, as 10.99.0.77", text)
				}
			}
			if err != nil {
				return err
			}
			if err := node.Move(address); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, address)
			return err
		},
	}
}

// labNodeOf is the node that the first of so many arguments at most names, -1 for any
// number, and its lab.
func labNodeOf(c *cli.Context, most int) (*lab.Lab, *lab.Node, error) {
	if err := argCount(c, 1, most); err != nil {
		return nil, nil, err
	}
	l, err := openLab(c)
	if err != nil {
		return nil, nil, err
	}
	node, err := l.Node(c.Args().First())
	return l, node, err
}

func plainly(do func(*lab.Node) error) func(*lab.Node, context.Context) error {
	return func(n *lab.Node, _ context.Context) error { return do(n) }
}

func (p *program) labExec() *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "Run a command in a node's network, orc's commands speaking to that node",
		ArgsUsage: "NODE [COMMAND] [ARG…]",
		Description: examples("orc lab exec n1", "orc lab exec n2 ip route", "orc lab exec n1 -- orc node ls") +
			"\n\nWithout a command it is a shell.",
		Flags: labFlags(),
		Action: func(c *cli.Context) error {
			_, node, err := labNodeOf(c, -1)
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
			if err := findOrc(); err != nil {
				return err
			}
			cmd := node.Command(c.Context, args[0], args[1:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = p.In, p.Out, p.Err
			err = node.Exec(cmd)
			var ended *exec.ExitError
			if errors.As(err, &ended) && ended.ExitCode() > 0 {
				return cli.Exit("", ended.ExitCode())
			}
			return err
		},
	}
}

var labNodes = listing[*lab.Node]{
	List: output.List[*lab.Node]{
		ID: func(n *lab.Node) string { return n.Name() },
		Columns: []output.Column[*lab.Node]{
			{Name: "Name", Header: "NAME", Value: func(n *lab.Node) string { return n.Name() }},
			{Name: "Role", Header: "ROLE", Value: labRole},
			{Name: "Address", Header: "ADDRESS", Value: func(n *lab.Node) string { return n.Address().String() }},
			{Name: "Pid", Header: "PROCESS", Value: labProcess, Color: labColor},
			{Name: "Socket", Header: "SOCKET", Value: func(n *lab.Node) string { return n.Socket() }, Spare: 1, Shrink: true, Tail: true},
			{Name: "Log", Value: func(n *lab.Node) string { return n.LogFile() }},
		},
	},
	filters: filters[*lab.Node]{
		"name": func(n *lab.Node, v string) bool { return n.Name() == v },
		"role": func(n *lab.Node, v string) bool { return labRole(n) == v },
	},
}

func labRole(n *lab.Node) string {
	if n.Manager() {
		return "manager"
	}
	return "worker"
}

func labProcess(n *lab.Node) string {
	if pid := n.Pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return "-"
}

func labColor(n *lab.Node) output.Color {
	if n.Pid() == 0 {
		return output.Busy
	}
	return output.Good
}

func (p *program) labLs() *cli.Command {
	return &cli.Command{
		Name: "ls", Usage: "List a lab's nodes",
		Description: examples("orc lab ls", "orc lab ls --name big --format '{{.Address}}'"),
		Flags:       labFlags(listFlags()...),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			l, err := openLab(c)
			if err != nil {
				return err
			}
			return labNodes.show(p, c, l.Nodes())
		},
	}
}

// findOrc makes `orc` mean this binary in what is run from here: it need not be
// installed on a host that has a lab.
func findOrc() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find orc's own binary: %w", err)
	}
	return os.Setenv("PATH", filepath.Dir(self)+string(os.PathListSeparator)+os.Getenv("PATH"))
}
