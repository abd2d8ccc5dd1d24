package cli

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// completionTimeout is how long somebody who pressed Tab waits for names.
const completionTimeout = 2 * time.Second

// leadingNoun is what a command takes first: the SERVICE of "[SERVICE…]".
var leadingNoun = regexp.MustCompile(`[A-Z]+`)

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
