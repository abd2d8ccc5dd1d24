package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

func (p *program) serviceDiff() *cli.Command {
	return p.differ("orc service", "service", func(ctx context.Context, cl *client.Client, ref string) (revised, error) {
		service, err := cl.Service(ctx, ref)
		if err != nil {
			return revised{}, err
		}
		revisions, err := cl.ServiceRevisions(ctx, service.ID)
		return revised{service.Name, service.Previous, service.Current, revisions}, err
	})
}

func (p *program) appDiff() *cli.Command {
	return p.differ("orc app", "app", func(ctx context.Context, cl *client.Client, ref string) (revised, error) {
		app, err := cl.App(ctx, ref)
		if err != nil {
			return revised{}, err
		}
		revisions, err := cl.AppRevisions(ctx, app.ID)
		before := 0
		for _, revision := range revisions {
			if revision.Number < app.Current {
				before = max(before, revision.Number)
			}
		}
		return revised{app.Name, before, app.Current, revisions}, err
	})
}

// revised is a service or an app with its revisions; previous is 0 for none.
type revised struct {
	name              string
	previous, current int
	revisions         []api.RevisionView
}

// differ is `orc NOUN diff`.
func (p *program) differ(path, noun string, load func(context.Context, *client.Client, string) (revised, error)) *cli.Command {
	name := sample(noun)
	return &cli.Command{
		Name: "diff", Usage: "Show what differs between two revisions of " + article(noun), ArgsUsage: argName(noun) + " [FROM [TO]]",
		Description: examples(path+" diff "+name, path+" diff "+name+" 3", path+" diff "+name+" 2 4") +
			"\n\nWithout numbers: from the previous revision to the current one.",
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 3); err != nil {
				return err
			}
			of, err := load(c.Context, cl, c.Args().First())
			if err != nil {
				return err
			}
			from, to := of.previous, of.current
			for i, number := range []*int{&from, &to} {
				if text := c.Args().Get(i + 1); text != "" {
					if *number, err = strconv.Atoi(text); err != nil {
						return usagef("%q: want a revision's number", text)
					}
				}
			}
			if from == 0 {
				return api.NotFoundf("%s %s has no previous revision", noun, of.name)
			}
			var specs []any
			for _, number := range []int{from, to} {
				at := slices.IndexFunc(of.revisions, func(r api.RevisionView) bool { return r.Number == number })
				if at < 0 {
					return api.NotFoundf("%s %s has no revision %d: `%s history %s` lists them", noun, of.name, number, path, of.name)
				}
				specs = append(specs, specOf(of.revisions[at]))
			}
			for _, line := range api.DiffSpec(specs[0], specs[1]) {
				if _, err := fmt.Fprintln(p.Out, line); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func specOf(r api.RevisionView) any {
	if r.App != nil {
		return r.App
	}
	return r.Service
}

func article(noun string) string {
	if noun == "app" {
		return "an " + noun
	}
	return "a " + noun
}
