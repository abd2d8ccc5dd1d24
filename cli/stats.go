package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) stats() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "Show what containers take of cpu, memory and network", ArgsUsage: "[CONTAINER|TASK…]",
		Description: examples("orc stats", "orc stats --no-stream --node n2", "orc stats --service web"),
		Flags: append(listFlags(),
			&cli.BoolFlag{Name: "no-stream", Usage: "once, instead of going on"},
			&cli.StringFlag{Name: "node", Usage: "only on this `NODE`"},
			&cli.StringFlag{Name: "service", Usage: "only of this `SERVICE`"},
		),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			for _, ref := range c.Args().Slice() {
				if _, err := findTask(c.Context, cl, ref); err != nil {
					return err
				}
			}
			query := client.StatsQuery{Node: c.String("node"), Service: c.String("service"), Stream: !c.Bool("no-stream")}
			for samples, err := range cl.Stats(c.Context, query) {
				if err != nil {
					return err
				}
				if query.Stream && p.printer().Width > 0 {
					fmt.Fprint(p.Out, "\x1b[H\x1b[2J")
				}
				if err := statistics.show(p, c, named(samples, c.Args().Slice())); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// named keeps the samples of the containers and tasks that are named, or all.
func named(samples []api.ContainerStats, refs []string) []api.ContainerStats {
	slices.SortFunc(samples, func(a, b api.ContainerStats) int {
		return strings.Compare(a.Name+a.Container, b.Name+b.Container)
	})
	if len(refs) == 0 {
		return samples
	}
	return slices.DeleteFunc(samples, func(s api.ContainerStats) bool {
		return !slices.ContainsFunc(refs, func(ref string) bool {
			return s.Name == ref || strings.HasPrefix(s.Container, ref) || strings.HasPrefix(s.Task, ref)
		})
	})
}

var statistics = listing[api.ContainerStats]{
	List: output.List[api.ContainerStats]{
		ID: func(s api.ContainerStats) string { return s.Container },
		Columns: []output.Column[api.ContainerStats]{
			{Name: "ID", Header: "CONTAINER ID", Value: func(s api.ContainerStats) string { return api.ShortID(s.Container) }, Full: func(s api.ContainerStats) string { return s.Container }, Spare: 2},
			{Name: "Name", Header: "NAME", Value: func(s api.ContainerStats) string { return s.Name }, Shrink: true, Tail: true},
			{Name: "Node", Header: "NODE", Value: func(s api.ContainerStats) string { return s.NodeName }, Shrink: true, Tail: true},
			{Name: "CPUPerc", Header: "CPU %", Value: func(s api.ContainerStats) string { return fmt.Sprintf("%.2f%%", s.CPUPercent) }},
			{Name: "MemUsage", Header: "MEM USAGE / LIMIT", Value: memory},
			{Name: "MemPerc", Header: "MEM %", Value: memoryShare, Spare: 1},
			{Name: "NetIO", Header: "NET I/O", Value: func(s api.ContainerStats) string { return output.Size(s.NetRx) + " / " + output.Size(s.NetTx) }, Spare: 4},
			{Name: "BlockIO", Header: "BLOCK I/O", Value: func(s api.ContainerStats) string { return output.Size(s.BlockRead) + " / " + output.Size(s.BlockWrite) }, Spare: 5},
			{Name: "PIDs", Header: "PIDS", Value: func(s api.ContainerStats) string { return fmt.Sprint(s.Pids) }, Spare: 3},
		},
	},
	filters: filters[api.ContainerStats]{
		"name": func(s api.ContainerStats, v string) bool { return strings.Contains(s.Name, v) },
		"node": func(s api.ContainerStats, v string) bool { return s.NodeName == v },
	},
}

func memory(s api.ContainerStats) string {
	if s.MemoryLimit == 0 {
		return output.Size(s.Memory) + " / -"
	}
	return output.Size(s.Memory) + " / " + output.Size(s.MemoryLimit)
}

func memoryShare(s api.ContainerStats) string {
	if s.MemoryLimit == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(s.Memory)/float64(s.MemoryLimit))
}
