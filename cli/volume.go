package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) volume() *cli.Command {
	return &cli.Command{
		Name: "volume", Usage: "manage named volumes",
		Subcommands: []*cli.Command{
			p.volumeCreate(),
			p.volumeLs(),
			inspecter(p, "orc volume", "volume", func(ctx context.Context, cl *client.Client, ref string) (api.VolumeView, error) {
				return cl.Volume(ctx, ref)
			}),
			p.volumeRm(),
			p.pruner(pruning{
				path: "orc volume", usage: "Remove the data of volumes that nothing uses", what: api.PruneRequest{Volumes: true},
				all: "also volumes that are declared, with their declarations",
			}),
		},
	}
}

func (p *program) volumeLs() *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List the volumes that nodes have or that are declared",
		Description: examples("orc volume ls", "orc volume ls --node n2", "orc volume ls --filter used=false -q"),
		Flags:       listFlags(nodeFlag("list")),
		Action:      showHeld(p, volumeListing, (*client.Client).Volumes),
	}
}

func volumeListing(now time.Time) listing[api.VolumeView] {
	return listing[api.VolumeView]{
		List: output.List[api.VolumeView]{
			ID: func(v api.VolumeView) string { return v.Name },
			Columns: []output.Column[api.VolumeView]{
				{Name: "Name", Header: "VOLUME NAME", Value: func(v api.VolumeView) string { return v.Name }, Shrink: true, Tail: true},
				{Name: "Nodes", Header: "NODES", Value: volumeNodes, Shrink: true},
				{Name: "Size", Header: "SIZE", Value: volumeSize},
				{Name: "UsedBy", Header: "USED BY", Value: func(v api.VolumeView) string { return strings.Join(v.UsedBy, ",") }, Shrink: true},
				{Name: "Created", Header: "CREATED", Value: func(v api.VolumeView) string { return output.Ago(now, volumeCreated(v)) }, Spare: 1},
				{Name: "Declared", Value: func(v api.VolumeView) string { return strconv.FormatBool(v.ID != "") }},
				{Name: "Labels", Value: func(v api.VolumeView) string { return labels(v.Spec.Labels) }},
				{Name: "ID", Value: func(v api.VolumeView) string { return v.ID }},
			},
		},
		filters: filters[api.VolumeView]{
			"name":     func(v api.VolumeView, t string) bool { return strings.Contains(v.Name, t) },
			"label":    func(v api.VolumeView, t string) bool { return hasLabel(v.Spec.Labels, t) },
			"used":     func(v api.VolumeView, t string) bool { return strconv.FormatBool(volumeUsed(v)) == t },
			"declared": func(v api.VolumeView, t string) bool { return strconv.FormatBool(v.ID != "") == t },
		},
	}
}

func volumeNodes(v api.VolumeView) string {
	var names []string
	for _, at := range v.Nodes {
		name := at.NodeName
		if at.Message != "" {
			name += " (away)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// volumeSize is the sum of what is known: data on several nodes is several data.
func volumeSize(v api.VolumeView) string {
	var sum int64
	known := false
	for _, at := range v.Nodes {
		if at.Size >= 0 {
			sum, known = sum+at.Size, true
		}
	}
	if !known {
		return ""
	}
	return output.Size(sum)
}

// volumeCreated is when a volume was declared or, if it never was, first made.
func volumeCreated(v api.VolumeView) time.Time {
	first := v.Created
	for _, at := range v.Nodes {
		if first.IsZero() || v.ID == "" && !at.Created.IsZero() && at.Created.Before(first) {
			first = at.Created
		}
	}
	return first
}

func volumeUsed(v api.VolumeView) bool {
	return len(v.UsedBy) > 0 || slices.ContainsFunc(v.Nodes, func(at api.NodeVolume) bool { return at.InUse })
}

func (p *program) volumeRm() *cli.Command {
	return remover(p, "orc volume", "volume", []cli.Flag{
		nodeFlag("remove the data"),
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "also when a node that has it is away and keeps its data"},
	}, func(c *cli.Context, cl *client.Client, ref string) error {
		removed, err := cl.RemoveVolume(c.Context, ref, c.String("node"), c.Bool("force"))
		p.untouched(removed)
		return err
	})
}

func (p *program) volumeCreate() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Declare a named volume", ArgsUsage: "VOLUME",
		Description: examples("orc volume create data", "orc volume create -o type=nfs -o device=:/srv -o o=addr=10.0.0.9 shared"),
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "opt", Aliases: []string{"o"}, Usage: "how it is mounted, `KEY=VALUE`: type, device and o"},
			&cli.StringSliceFlag{Name: "label", Usage: "`KEY=VALUE`"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			options, err := pairsOf("option", c.StringSlice("opt"))
			if err != nil {
				return err
			}
			labels, err := pairsOf("label", c.StringSlice("label"))
			if err != nil {
				return err
			}
			volume, err := cl.CreateVolume(c.Context, api.VolumeSpec{Name: c.Args().First(), Options: options, Labels: labels})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, volume.Name)
			return err
		}),
	}
}
