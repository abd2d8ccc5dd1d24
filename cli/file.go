package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

// files is what `orc secret` and `orc config` do, which are the same but for
// their nouns; T is api.Secret or api.Config.
type files[T any] struct {
	noun    string
	most    int // bytes
	view    func(T) fileView
	list    func(context.Context, *client.Client) ([]T, error)
	get     func(context.Context, *client.Client, string) (T, error)
	create  func(context.Context, *client.Client, api.FileSpec) (T, error)
	update  func(context.Context, *client.Client, string, api.FileUpdate) (T, error)
	removal func(context.Context, *client.Client, string) error
}

// fileView is what a table shows of either.
type fileView struct {
	api.Meta
	name    string
	version int
	labels  map[string]string
}

func (p *program) secret() *cli.Command {
	return fileCommand(p, files[api.Secret]{
		noun: "secret", most: api.MaxSecretSize,
		view: func(s api.Secret) fileView { return fileView{s.Meta, s.Name, s.Current, s.Spec.Labels} },
		list: func(ctx context.Context, cl *client.Client) ([]api.Secret, error) { return cl.Secrets(ctx) },
		get: func(ctx context.Context, cl *client.Client, ref string) (api.Secret, error) {
			return cl.Secret(ctx, ref)
		},
		create: func(ctx context.Context, cl *client.Client, s api.FileSpec) (api.Secret, error) {
			return cl.CreateSecret(ctx, s)
		},
		update: func(ctx context.Context, cl *client.Client, ref string, u api.FileUpdate) (api.Secret, error) {
			return cl.UpdateSecret(ctx, ref, u)
		},
		removal: func(ctx context.Context, cl *client.Client, ref string) error { return cl.RemoveSecret(ctx, ref) },
	})
}

func (p *program) config() *cli.Command {
	return fileCommand(p, files[api.Config]{
		noun: "config", most: api.MaxConfigSize,
		view: func(s api.Config) fileView { return fileView{s.Meta, s.Name, s.Current, s.Spec.Labels} },
		list: func(ctx context.Context, cl *client.Client) ([]api.Config, error) { return cl.Configs(ctx) },
		get: func(ctx context.Context, cl *client.Client, ref string) (api.Config, error) {
			return cl.Config(ctx, ref)
		},
		create: func(ctx context.Context, cl *client.Client, s api.FileSpec) (api.Config, error) {
			return cl.CreateConfig(ctx, s)
		},
		update: func(ctx context.Context, cl *client.Client, ref string, u api.FileUpdate) (api.Config, error) {
			return cl.UpdateConfig(ctx, ref, u)
		},
		removal: func(ctx context.Context, cl *client.Client, ref string) error { return cl.RemoveConfig(ctx, ref) },
	})
}

func fileCommand[T any](p *program, f files[T]) *cli.Command {
	path := "orc " + f.noun
	return &cli.Command{
		Name: f.noun, Usage: "manage " + f.noun + "s: files for containers",
		Subcommands: []*cli.Command{
			f.createCommand(p),
			lister(p, path, "List "+f.noun+"s", f.listing(time.Now()), f.list),
			inspecter(p, path, f.noun, f.get),
			f.updateCommand(p),
			remover(p, path, f.noun, nil, func(c *cli.Context, cl *client.Client, ref string) error { return f.removal(c.Context, cl, ref) }),
		},
	}
}

func (f files[T]) listing(now time.Time) listing[T] {
	return listing[T]{
		List: output.List[T]{
			ID: func(item T) string { return f.view(item).ID },
			Columns: []output.Column[T]{
				{Name: "ID", Header: "ID", Value: func(item T) string { return api.ShortID(f.view(item).ID) }, Full: func(item T) string { return f.view(item).ID }, Spare: 1},
				{Name: "Name", Header: "NAME", Value: func(item T) string { return f.view(item).name }, Shrink: true, Tail: true},
				{Name: "Version", Header: "VERSION", Value: func(item T) string { return fmt.Sprint(f.view(item).version) }, Spare: 2},
				{Name: "CreatedAt", Header: "CREATED", Value: func(item T) string { return output.Ago(now, f.view(item).Created) }, Spare: 3},
				{Name: "UpdatedAt", Header: "UPDATED", Value: func(item T) string { return output.Ago(now, f.view(item).Updated) }},
				{Name: "Labels", Value: func(item T) string { return labels(f.view(item).labels) }},
			},
		},
		filters: filters[T]{
			"id":    func(item T, v string) bool { return strings.HasPrefix(f.view(item).ID, v) },
			"name":  func(item T, v string) bool { return strings.Contains(f.view(item).name, v) },
			"label": func(item T, v string) bool { return hasLabel(f.view(item).labels, v) },
		},
	}
}

func (f files[T]) createCommand(p *program) *cli.Command {
	path := "orc " + f.noun
	return &cli.Command{
		Name: "create", Usage: "Create a " + f.noun + " from a file", ArgsUsage: argName(f.noun) + " FILE|-",
		Description: examples(path+" create "+sample(f.noun)+" ./file", "printf … | "+path+" create "+sample(f.noun)+" -"),
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "label", Aliases: []string{"l"}, Usage: "`KEY=VALUE`"},
			&cli.BoolFlag{Name: "template", Usage: "fill in {{.Service.Name}} and the like for each task"},
			&cli.StringFlag{Name: "template-driver", Hidden: true},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 2, 2); err != nil {
				return err
			}
			if driver := c.String("template-driver"); driver != "" && driver != "golang" {
				return usagef("%s create: --template-driver %q: use golang", path, driver)
			}
			data, err := p.readFile(f.noun, c.Args().Get(1), f.most)
			if err != nil {
				return err
			}
			labels, err := pairsOf("label", c.StringSlice("label"))
			if err != nil {
				return err
			}
			made, err := f.create(c.Context, cl, api.FileSpec{
				Name: c.Args().First(), Data: data, Labels: labels, Template: c.Bool("template") || c.String("template-driver") != "",
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, f.view(made).ID)
			return err
		}),
	}
}

func (f files[T]) updateCommand(p *program) *cli.Command {
	path := "orc " + f.noun
	return &cli.Command{
		Name: "update", Usage: "Give a " + f.noun + " new content, and roll the services that use it", ArgsUsage: argName(f.noun) + " FILE|-",
		Description: examples(path + " update " + sample(f.noun) + " ./file"),
		Flags:       []cli.Flag{&cli.StringSliceFlag{Name: "label", Aliases: []string{"l"}, Usage: "replace the labels, `KEY=VALUE`"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 2, 2); err != nil {
				return err
			}
			data, err := p.readFile(f.noun, c.Args().Get(1), f.most)
			if err != nil {
				return err
			}
			update := api.FileUpdate{Data: data}
			if c.IsSet("label") {
				if update.Labels, err = pairsOf("label", c.StringSlice("label")); err != nil {
					return err
				}
			}
			if _, err := f.update(c.Context, cl, c.Args().First(), update); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, c.Args().First())
			return err
		}),
	}
}

// readFile reads the content of a secret or config; "-" is standard input.
func (p *program) readFile(noun, name string, most int) ([]byte, error) {
	from := p.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, api.Invalidf("%s: %w", noun, err)
		}
		defer file.Close()
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the %s: %w", noun, err)
	case len(data) > most:
		return nil, api.Errorf(api.CodeTooLarge, "%s %s: more than %d KiB", noun, name, most>>10)
	case len(data) == 0:
		return nil, api.Invalidf("%s %s: it is empty", noun, name)
	}
	return data, nil
}
