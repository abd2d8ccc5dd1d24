package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

// listing is how things of one kind are listed.
type listing[T any] struct {
	output.List[T]
	filters filters[T]
}

// listFlags are those that every list has.
func listFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringSliceFlag{Name: "filter", Aliases: []string{"f"}, Usage: "show only what fits `KEY=VALUE`"},
		&cli.StringFlag{Name: "format", Usage: "table, json or a Go `TEMPLATE` for each line"},
		&cli.BoolFlag{Name: "no-trunc", Usage: "do not shorten IDs and texts, and leave no column out"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only IDs"},
	)
}

// show prints the items that fit the user's filters in the form the user wants.
func (l listing[T]) show(p *program, c *cli.Context, items []T) error {
	items, err := l.filters.apply(items, c.StringSlice("filter"))
	if err != nil {
		return err
	}
	return l.Print(p.printer(), output.Options{Format: c.String("format"), Quiet: c.Bool("quiet"), NoTrunc: c.Bool("no-trunc")}, items)
}

func (p *program) printer() *output.Printer { return output.New(p.Out, p.Getenv) }

// lister is `orc NOUN ls`.
func lister[T any](p *program, path, usage string, l listing[T], load func(context.Context, *client.Client) ([]T, error)) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: usage,
		Description: examples(path+" ls", path+" ls --format json", path+" ls -q"),
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, api *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			items, err := load(c.Context, api)
			if err != nil {
				return err
			}
			return l.show(p, c, items)
		}),
	}
}

// showHeld lists what nodes have, and tells which of them could not be asked.
func showHeld[T any](p *program, list func(now time.Time) listing[T], load func(cl *client.Client, ctx context.Context, node string) (api.Listing[T], error)) cli.ActionFunc {
	return p.with(func(c *cli.Context, cl *client.Client) error {
		if err := argCount(c, 0, 0); err != nil {
			return err
		}
		found, err := load(cl, c.Context, c.String("node"))
		if err != nil {
			return err
		}
		p.away(found.Away)
		return list(time.Now()).show(p, c, found.Items)
	})
}

// inspecter is `orc NOUN inspect`.
func inspecter[T any](p *program, path, noun string, load func(context.Context, *client.Client, string) (T, error)) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Show everything about one or more " + noun + "s", ArgsUsage: argName(noun) + "…",
		Description: examples(path+" inspect "+sample(noun), path+" inspect "+sample(noun)+" -f '{{.ID}}'"),
		Flags:       []cli.Flag{&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "json or a Go `TEMPLATE` for each"}},
		Action: inspect(p, load, func(c *cli.Context, found []T) error {
			return output.Inspect(p.printer(), c.String("format"), found)
		}),
	}
}

// prettyInspecter is an inspecter with --pretty, by which pretty shows each thing
// for reading.
func prettyInspecter[T any](p *program, path, noun string, load func(context.Context, *client.Client, string) (T, error), pretty func(T) error) *cli.Command {
	command := inspecter(p, path, noun, load)
	command.Flags = append(command.Flags, &cli.BoolFlag{Name: "pretty", Usage: "for reading"})
	plainly := command.Action
	prettily := inspect(p, load, func(_ *cli.Context, found []T) error {
		for i, item := range found {
			if i > 0 {
				fmt.Fprintln(p.Out)
			}
			if err := pretty(item); err != nil {
				return err
			}
		}
		return nil
	})
	command.Action = func(c *cli.Context) error {
		if c.Bool("pretty") {
			return prettily(c)
		}
		return plainly(c)
	}
	return command
}

// inspect shows what the arguments name, and then tells what of it there is not.
func inspect[T any](p *program, load func(context.Context, *client.Client, string) (T, error), show func(*cli.Context, []T) error) cli.ActionFunc {
	return p.with(func(c *cli.Context, api *client.Client) error {
		if err := argCount(c, 1, -1); err != nil {
			return err
		}
		var found []T
		var missing []error
		for _, ref := range c.Args().Slice() {
			item, err := load(c.Context, api, ref)
			if err != nil {
				missing = append(missing, err)
				continue
			}
			found = append(found, item)
		}
		if len(found) > 0 {
			if err := show(c, found); err != nil {
				return err
			}
		}
		return together(missing)
	})
}

// remover is `orc NOUN rm`: it goes on after an error and prints what is gone.
func remover(p *program, path, noun string, flags []cli.Flag, remove func(*cli.Context, *client.Client, string) error) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more " + noun + "s", ArgsUsage: argName(noun) + "…",
		Description: examples(path + " rm " + sample(noun)),
		Flags:       flags,
		Action: p.with(func(c *cli.Context, api *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			return p.each(c, func(ref string) error { return remove(c, api, ref) })
		}),
	}
}

// each does one thing to every argument, and prints those that it worked for.
func (p *program) each(c *cli.Context, do func(ref string) error) error {
	var failed []error
	for _, ref := range c.Args().Slice() {
		if err := do(ref); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintln(p.Out, ref)
	}
	return together(failed)
}

// together makes one error of several, on one line.
func together(all []error) error {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	text := all[0].Error()
	for _, err := range all[1:] {
		text += "; " + err.Error()
	}
	return errors.New(text)
}

// soleInspecter is `inspect` for what a cluster has but one of.
func soleInspecter[T any](p *program, noun string, load func(*client.Client, context.Context) (T, error), usage ...string) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Show everything about " + noun, Description: examples(usage...),
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "json or a Go `TEMPLATE`"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			view, err := load(cl, c.Context)
			if err != nil {
				return err
			}
			return output.Inspect(p.printer(), c.String("format"), []T{view})
		}),
	}
}
