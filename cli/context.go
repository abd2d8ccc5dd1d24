package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
)

// localContext is the name of having no context: the manager on this host.
const localContext = "local"

func (p *program) context() *cli.Command {
	return &cli.Command{
		Name: "context", Usage: "manage the clusters that orc can speak to from here",
		Subcommands: []*cli.Command{p.contextCreate(), p.contextLs(), p.contextUse(), p.contextShow(), p.contextRm()},
	}
}

func (p *program) contextCreate() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Make a context: a client certificate of a cluster, and its managers", ArgsUsage: "CONTEXT",
		Description: examples(
			"orc context create laptop --out laptop.json      # on a manager",
			"orc context create prod --from laptop.json       # on the laptop",
			"orc context use prod",
			"ssh n1 orc context create laptop --out - | orc context create prod --from -") +
			"\n\nThe file lets everybody who has it do everything: it is written for its owner only.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write it to a `FILE` for another host, or - for standard output"},
			&cli.StringFlag{Name: "from", Usage: "read it from a `FILE` that --out wrote, or - for standard input"},
			&cli.StringSliceFlag{Name: "address", Usage: "reach a manager at this `HOST:PORT` instead of those that the cluster names"},
			&cli.BoolFlag{Name: "use", Usage: "make it the current context"},
		},
		Action: p.createContext,
	}
}

func (p *program) createContext(c *cli.Context) error {
	if err := argCount(c, 1, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if err := api.ValidateName("context", name); err != nil {
		return err
	}
	if name == localContext {
		return api.Invalidf("context name %s: it is kept for this host's manager", localContext)
	}
	if c.IsSet("out") && c.IsSet("from") {
		return usagef("--out and --from: choose")
	}
	saved, err := p.newContext(c, name)
	if err != nil {
		return err
	}
	if addresses := c.StringSlice("address"); len(addresses) > 0 {
		saved.Addresses = addresses
	}
	if c.IsSet("out") {
		return p.writeBundle(c.String("out"), saved)
	}
	saved.Name = name
	store := p.contexts()
	if _, err := store.load(name); api.CodeOf(err) != api.CodeNotFound {
		return api.Conflictf("context %s is there already: `orc context rm %s` removes it", name, name)
	}
	if err := store.save(saved); err != nil {
		return err
	}
	if c.Bool("use") {
		if err := store.use(name); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(p.Out, name)
	return err
}

// newContext reads a context that was made elsewhere, or asks a manager for one.
func (p *program) newContext(c *cli.Context, name string) (*savedContext, error) {
	if !c.IsSet("from") {
		cl, err := p.connect(c)
		if err != nil {
			return nil, err
		}
		defer cl.Close()
		bundle, err := cl.CreateClient(c.Context, name)
		if err != nil {
			return nil, err
		}
		return &savedContext{ClientBundle: bundle}, nil
	}
	var data []byte
	var err error
	if from := c.String("from"); from == "-" {
		data, err = io.ReadAll(io.LimitReader(p.In, 1<<20))
	} else {
		data, err = os.ReadFile(from)
	}
	if err != nil {
		return nil, api.Invalidf("read the context: %w", err)
	}
	saved, err := parseBundle(data)
	if err != nil {
		return nil, api.Invalidf("%s: %w", c.String("from"), err)
	}
	return saved, nil
}

func (p *program) writeBundle(to string, saved *savedContext) error {
	data, err := json.MarshalIndent(saved.ClientBundle, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the context: %w", err)
	}
	data = append(data, '\n')
	if to == "-" {
		_, err := p.Out.Write(data)
		return err
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return api.Invalidf("write the context: %w", err)
	}
	return nil
}

func (p *program) contextLs() *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List contexts",
		Description: examples("orc context ls"),
		Flags:       listFlags(),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			store := p.contexts()
			all, err := store.list()
			if err != nil {
				return err
			}
			current, err := store.current()
			if err != nil {
				return err
			}
			here := &savedContext{}
			here.Name, here.ClusterName, here.Addresses = localContext, "(this host)", []string{p.localHost()}
			return contextListing(current).show(p, c, append([]*savedContext{here}, all...))
		},
	}
}

func contextListing(current string) listing[*savedContext] {
	if current == "" {
		current = localContext
	}
	return listing[*savedContext]{
		List: output.List[*savedContext]{
			ID: func(s *savedContext) string { return s.Name },
			Columns: []output.Column[*savedContext]{
				{Name: "Name", Header: "NAME", Value: func(s *savedContext) string { return s.Name + mark(s.Name == current) }, Shrink: true, Tail: true},
				{Name: "Cluster", Header: "CLUSTER", Value: func(s *savedContext) string { return s.ClusterName }, Shrink: true},
				{Name: "Addresses", Header: "MANAGERS", Value: func(s *savedContext) string { return strings.Join(s.Addresses, ", ") }, Shrink: true},
			},
		},
		filters: filters[*savedContext]{
			"name": func(s *savedContext, v string) bool { return strings.Contains(s.Name, v) },
		},
	}
}

func (p *program) contextUse() *cli.Command {
	return &cli.Command{
		Name: "use", Usage: "Make a context the current one; local is this host's manager", ArgsUsage: "CONTEXT",
		Description: examples("orc context use prod", "orc context use local"),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			name := c.Args().First()
			store := p.contexts()
			if name == localContext {
				return store.use("")
			}
			if _, err := store.load(name); err != nil {
				return err
			}
			return store.use(name)
		},
	}
}

func (p *program) contextShow() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "Print the name of the current context",
		Description: examples("orc context show"),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			name, err := p.contexts().current()
			if err != nil {
				return err
			}
			if name == "" {
				name = localContext
			}
			_, err = fmt.Fprintln(p.Out, name)
			return err
		},
	}
}

func (p *program) contextRm() *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Forget contexts", ArgsUsage: "CONTEXT…",
		Description: examples("orc context rm prod"),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			return p.each(c, p.contexts().remove)
		},
	}
}
