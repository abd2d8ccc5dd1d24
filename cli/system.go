package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) system() *cli.Command {
	return &cli.Command{
		Name: "system", Usage: "manage what the nodes keep on their disks",
		Subcommands: []*cli.Command{
			p.systemDf(),
			p.pruner(pruning{
				path: "orc system", usage: "Remove what nothing uses from the nodes' disks",
				all: "images, logs and volumes, also what was loaded, declared or only a rollback would need", choose: true,
			}),
		},
	}
}

// nodeFlag limits a command to one node.
func nodeFlag(do string) cli.Flag {
	return &cli.StringFlag{Name: "node", Usage: do + " on this `NODE` only"}
}

// diskRow is one kind of one node's.
type diskRow struct {
	node string
	kind string
	api.Usage
	free, total int64
}

var diskListing = listing[diskRow]{
	List: output.List[diskRow]{
		ID: func(r diskRow) string { return r.node + "/" + r.kind },
		Columns: []output.Column[diskRow]{
			{Name: "Node", Header: "NODE", Value: func(r diskRow) string { return r.node }, Shrink: true, Tail: true},
			{Name: "Type", Header: "TYPE", Value: func(r diskRow) string { return upperFirst(r.kind) }},
			{Name: "TotalCount", Header: "TOTAL", Value: func(r diskRow) string { return strconv.Itoa(r.Count) }},
			{Name: "Active", Header: "ACTIVE", Value: func(r diskRow) string { return strconv.Itoa(r.Active) }, Spare: 1},
			{Name: "Size", Header: "SIZE", Value: func(r diskRow) string { return output.Size(r.Size) }},
			{Name: "Reclaimable", Header: "RECLAIMABLE", Value: reclaimable},
			{Name: "DiskFree", Value: func(r diskRow) string { return output.Size(r.free) }},
			{Name: "DiskTotal", Value: func(r diskRow) string { return output.Size(r.total) }},
		},
	},
	filters: filters[diskRow]{
		"node": func(r diskRow, v string) bool { return r.node == v },
		"type": func(r diskRow, v string) bool { return strings.EqualFold(r.kind, v) },
	},
}

func reclaimable(r diskRow) string {
	if r.Size == 0 {
		return output.Size(0)
	}
	return fmt.Sprintf("%s (%d%%)", output.Size(r.Reclaimable), r.Reclaimable*100/r.Size)
}

func (p *program) systemDf() *cli.Command {
	return &cli.Command{
		Name: "df", Usage: "Show what the nodes keep on their disks",
		Description: examples("orc system df", "orc system df --node n2", "orc system df --filter type=volumes"),
		Flags:       listFlags(nodeFlag("look")),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			nodes, err := cl.Usage(c.Context, c.String("node"))
			if err != nil {
				return err
			}
			var rows []diskRow
			for _, node := range nodes {
				if node.Message != "" {
					p.away([]api.NodeAway{{NodeName: node.NodeName, Message: node.Message}})
					continue
				}
				for _, kind := range []struct {
					name  string
					usage api.Usage
				}{{"images", node.Images}, {"containers", node.Containers}, {"volumes", node.Volumes}, {"logs", node.Logs}} {
					rows = append(rows, diskRow{node: node.NodeName, kind: kind.name, Usage: kind.usage, free: node.Free, total: node.Total})
				}
			}
			return diskListing.show(p, c, rows)
		}),
	}
}
