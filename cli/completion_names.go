package cli

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// completionTimeout is how long somebody who pressed Tab waits for names.
const completionTimeout = 2 * time.Second

var (
	// capitals are the SERVICE of "[SERVICE…]".
	capitals = regexp.MustCompile(`[A-Z]+`)
	// placeholder is the NODE of "only on this `NODE`".
	placeholder = regexp.MustCompile("`([A-Z]+)`")
)

// argumentNoun is what a command takes as its argument number n, from 0. Names of what
// it makes nobody knows.
func argumentNoun(command *cli.Command, n int) string {
	takes := strings.Fields(command.ArgsUsage)
	switch {
	case len(takes) == 0, n >= len(takes) && !strings.Contains(takes[len(takes)-1], "…"):
		return ""
	}
	noun := capitals.FindString(takes[min(n, len(takes)-1)])
	if command.Name == "create" && noun != "IMAGE" {
		return ""
	}
	return noun
}

// valueNoun is what a flag's value names, if that is something that has a name.
func valueNoun(flag cli.Flag) string {
	described, can := flag.(cli.DocGenerationFlag)
	if !can {
		return ""
	}
	if found := placeholder.FindStringSubmatch(described.GetUsage()); found != nil {
		return found[1]
	}
	return ""
}

// nouns list the names of what commands take.
var nouns = map[string]func(context.Context, *client.Client) ([]string, error){
	"SERVICE": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Services(ctx, client.ServiceQuery{}))(func(s api.ServiceView) string { return s.Name })
	},
	"CONTAINER": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Tasks(ctx, client.TaskQuery{}))(func(t api.TaskView) string { return t.Name })
	},
	"NODE": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Nodes(ctx))(func(n api.NodeView) string { return n.Name })
	},
	"APP": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Apps(ctx))(func(a api.AppView) string { return a.Name })
	},
	"NETWORK": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Networks(ctx))(func(n api.Network) string { return n.Name })
	},
	"SECRET": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Secrets(ctx))(func(s api.Secret) string { return s.Name })
	},
	"CONFIG": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Configs(ctx))(func(c api.Config) string { return c.Name })
	},
	"VOLUME": func(ctx context.Context, cl *client.Client) ([]string, error) {
		held, err := cl.Volumes(ctx, "")
		return namesOf(held.Items, err)(func(v api.VolumeView) string { return v.Name })
	},
	"IMAGE": func(ctx context.Context, cl *client.Client) ([]string, error) {
		held, err := cl.Images(ctx, "")
		return namesOf(held.Items, err)(func(i api.ImageView) string { return shortName(i.Name) })
	},
	"TOKEN": func(ctx context.Context, cl *client.Client) ([]string, error) {
		return namesOf(cl.Tokens(ctx))(func(t api.TokenView) string { return api.ShortID(t.ID) })
	},
}

func namesOf[T any](items []T, err error) func(name func(T) string) ([]string, error) {
	return func(name func(T) string) ([]string, error) {
		var names []string
		for _, item := range items {
			names = append(names, name(item))
		}
		return names, err
	}
}

// names asks the manager that the global flags lead to. What it does not tell in time
// is not offered: whoever pressed Tab is typing, and reads no error.
func (p *program) names(ctx context.Context, noun string, global []string) (found []string) {
	if noun == "CONTEXT" { // the user's own
		return p.contexts().names()
	}
	list := nouns[noun]
	if list == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	app := p.app()
	app.Commands = []*cli.Command{{Name: "names", HideHelp: true, Action: p.with(func(c *cli.Context, cl *client.Client) (err error) {
		found, err = list(c.Context, cl)
		return err
	})}}
	if app.RunContext(ctx, slices.Concat([]string{app.Name}, global, []string{"names"})) != nil {
		return nil
	}
	return found
}
