package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

// pruning is one of the commands that remove what nothing uses.
type pruning struct {
	path, usage string
	what        api.PruneRequest
	all         string // what --all takes in
	choose      bool   // the user may say which kinds
}

func (p *program) pruner(of pruning) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: of.all},
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would be removed, and remove nothing"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask"},
		nodeFlag("remove"),
	}
	lines := []string{of.path + " prune --dry-run", of.path + " prune --force"}
	if of.choose {
		flags = append(flags,
			&cli.BoolFlag{Name: "images", Usage: "images that no task needs and a registry has"},
			&cli.BoolFlag{Name: "logs", Usage: "logs of tasks that have ended"},
			&cli.BoolFlag{Name: "volumes", Usage: "data of volumes that no service uses and nobody declared"},
		)
		lines = append(lines, of.path+" prune --volumes --node n2")
	}
	description := examples(lines...)
	if of.choose {
		description += "\n\nWithout a kind it is images and logs: no data is lost. Volumes go only when they are named."
	}
	return &cli.Command{
		Name: "prune", Usage: of.usage, Description: description, Flags: flags,
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			return p.prune(c, cl, of.request(c))
		}),
	}
}

func (of pruning) request(c *cli.Context) api.PruneRequest {
	request := of.what
	request.All, request.Node = c.Bool("all"), c.String("node")
	if !of.choose {
		return request
	}
	request.Images, request.Logs, request.Volumes = c.Bool("images"), c.Bool("logs"), c.Bool("volumes")
	if !request.Images && !request.Logs && !request.Volumes {
		request.Images, request.Logs, request.Volumes = true, true, request.All
	}
	return request
}

// prune shows what would go before it asks whether it shall.
func (p *program) prune(c *cli.Context, cl *client.Client, request api.PruneRequest) error {
	if !c.Bool("force") {
		request.DryRun = true
		would, err := cl.Prune(c.Context, request)
		if err != nil {
			return err
		}
		count, err := p.showPruned(would, "would be removed")
		if err != nil || count == 0 || c.Bool("dry-run") {
			return err
		}
		if err := p.confirm("Remove all this?"); err != nil {
			return err
		}
	}
	request.DryRun = c.Bool("dry-run")
	removed, err := cl.Prune(c.Context, request)
	if err != nil {
		return err
	}
	verb := "removed"
	if request.DryRun {
		verb = "would be removed"
	}
	if _, err := p.showPruned(removed, verb); err != nil {
		return err
	}
	var failed []error
	for _, row := range prunedRows(removed) {
		if row.Error != "" {
			failed = append(failed, fmt.Errorf("%s %s on node %s: %s", row.kind, row.name(), row.node, row.Error))
		}
	}
	return together(failed)
}

// prunedRow is one thing that was removed from one node.
type prunedRow struct {
	node, kind string
	api.Removal
}

func (r prunedRow) name() string {
	switch r.kind {
	case "image":
		return shortName(r.Name)
	case "log":
		return api.ShortID(r.Name)
	}
	return r.Name
}

var prunedList = output.List[prunedRow]{
	Columns: []output.Column[prunedRow]{
		{Name: "Node", Header: "NODE", Value: func(r prunedRow) string { return r.node }, Shrink: true, Tail: true},
		{Name: "Type", Header: "TYPE", Value: func(r prunedRow) string { return upperFirst(r.kind) }},
		{Name: "Name", Header: "NAME", Value: prunedRow.name, Shrink: true, Tail: true},
		{Name: "Size", Header: "SIZE", Value: func(r prunedRow) string { return output.Size(r.Size) }},
	},
}

func prunedRows(nodes []api.NodePruned) (rows []prunedRow) {
	for _, node := range nodes {
		for _, kind := range []struct {
			name     string
			removals []api.Removal
		}{{"volume", node.Volumes}, {"image", node.Images}, {"log", node.Logs}} {
			for _, removal := range kind.removals {
				rows = append(rows, prunedRow{node: node.NodeName, kind: kind.name, Removal: removal})
			}
		}
	}
	return rows
}

// showPruned prints what went and returns how many things that are.
func (p *program) showPruned(nodes []api.NodePruned, verb string) (int, error) {
	p.untouched(nodes)
	var gone []prunedRow
	var size int64
	for _, row := range prunedRows(nodes) {
		if row.Error == "" {
			gone = append(gone, row)
			size += row.Size
		}
	}
	if len(gone) == 0 {
		_, err := fmt.Fprintln(p.Out, "Nothing to remove.")
		return 0, err
	}
	if err := prunedList.Print(p.printer(), output.Options{}, gone); err != nil {
		return 0, err
	}
	_, err := fmt.Fprintf(p.Out, "\n%d %s: %s\n", len(gone), verb, output.Size(size))
	return len(gone), err
}

// confirm asks on the terminal; without one nobody can answer.
func (p *program) confirm(question string) error {
	in, ok := p.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usagef("nobody can be asked, for standard input is no terminal: use --force")
	}
	fmt.Fprintf(p.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was removed")
}

// away tells which nodes could not be asked.
func (p *program) away(nodes []api.NodeAway) {
	for _, node := range nodes {
		p.warn([]string{"node " + node.NodeName + ": " + node.Message + ": what it has now is not known"})
	}
}

// untouched tells where nothing was removed.
func (p *program) untouched(nodes []api.NodePruned) {
	for _, node := range nodes {
		if node.Message != "" {
			p.warn([]string{"node " + node.NodeName + ": " + node.Message + ": nothing is removed there"})
		}
	}
}
