package cli

import (
	"context"
	"fmt"
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
			lister(p, "orc volume", "List volumes", volumeListing(time.Now()), func(ctx context.Context, cl *client.Client) ([]api.Volume, error) { return cl.Volumes(ctx) }),
			inspecter(p, "orc volume", "volume", func(ctx context.Context, cl *client.Client, ref string) (api.Volume, error) {
				return cl.Volume(ctx, ref)
			}),
			remover(p, "orc volume", "volume", nil, func(c *cli.Context, cl *client.Client, ref string) error { return cl.RemoveVolume(c.Context, ref) }),
		},
	}
}

func volumeListing(now time.Time) listing[api.Volume] {
	return listing[api.Volume]{
		List: output.List[api.Volume]{
			ID: func(v api.Volume) string { return v.Name },
			Columns: []output.Column[api.Volume]{
				{Name: "Name", Header: "VOLUME NAME", Value: func(v api.Volume) string { return v.Name }, Shrink: true},
				{Name: "Created", Header: "CREATED", Value: func(v api.Volume) string { return output.Ago(now, v.Created) }},
				{Name: "Labels", Header: "LABELS", Value: func(v api.Volume) string { return labels(v.Spec.Labels) }, Shrink: true},
				{Name: "ID", Value: func(v api.Volume) string { return v.ID }},
			},
		},
		filters: filters[api.Volume]{
			"name":  func(v api.Volume, t string) bool { return strings.Contains(v.Name, t) },
			"label": func(v api.Volume, t string) bool { return hasLabel(v.Spec.Labels, t) },
		},
	}
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
