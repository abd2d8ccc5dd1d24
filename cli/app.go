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

func (p *program) apps() *cli.Command {
	return &cli.Command{
		Name: "app", Usage: "manage apps: what `orc deploy` made",
		Subcommands: []*cli.Command{
			lister(p, "orc app", "List apps", appListing(time.Now()), func(ctx context.Context, cl *client.Client) ([]api.AppView, error) { return cl.Apps(ctx) }),
			p.appPs(), p.appServices(),
			inspecter(p, "orc app", "app", func(ctx context.Context, cl *client.Client, ref string) (api.AppView, error) { return cl.App(ctx, ref) }),
			p.appHistory(), p.appDiff(), p.appRollback(), p.appLogs(), p.appRm(),
		},
	}
}

func appListing(now time.Time) listing[api.AppView] {
	return listing[api.AppView]{
		List: output.List[api.AppView]{
			ID: func(a api.AppView) string { return a.ID },
			Columns: []output.Column[api.AppView]{
				{Name: "Name", Header: "NAME", Value: func(a api.AppView) string { return a.Name }, Shrink: true, Tail: true},
				{Name: "Services", Header: "SERVICES", Value: func(a api.AppView) string { return fmt.Sprint(a.Services) }, Spare: 1},
				{Name: "Tasks", Header: "TASKS", Value: func(a api.AppView) string { return fmt.Sprintf("%d/%d", a.Running, a.Desired) }, Color: appColor},
				{Name: "Revision", Header: "REVISION", Value: func(a api.AppView) string { return fmt.Sprint(a.Current) }, Spare: 2},
				{Name: "Updated", Header: "DEPLOYED", Value: func(a api.AppView) string { return output.Ago(now, a.Updated) }},
				{Name: "ID", Value: func(a api.AppView) string { return a.ID }},
			},
		},
		filters: filters[api.AppView]{
			"id":   func(a api.AppView, v string) bool { return strings.HasPrefix(a.ID, v) },
			"name": func(a api.AppView, v string) bool { return strings.Contains(a.Name, v) },
		},
	}
}

func appColor(a api.AppView) output.Color {
	if a.Running < a.Desired {
		return output.Busy
	}
	return output.Good
}

func (p *program) appPs() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "List the tasks of an app", ArgsUsage: "APP",
		Description: examples("orc app ps shop", "orc app ps --filter desired-state=running shop"),
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			tasks, err := cl.Tasks(c.Context, client.TaskQuery{App: c.Args().First()})
			if err != nil {
				return err
			}
			return p.showTasks(c, tasks)
		}),
	}
}

func (p *program) appServices() *cli.Command {
	return &cli.Command{
		Name: "services", Usage: "List the services of an app", ArgsUsage: "APP",
		Description: examples("orc app services shop"),
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			found, err := cl.Services(c.Context, client.ServiceQuery{App: c.Args().First()})
			if err != nil {
				return err
			}
			return services.show(p, c, found)
		}),
	}
}

func (p *program) appHistory() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "List the revisions of an app", ArgsUsage: "APP",
		Description: examples("orc app history shop"),
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			revisions, err := cl.AppRevisions(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			return revisionListing(time.Now(), false).show(p, c, revisions)
		}),
	}
}

func (p *program) appRollback() *cli.Command {
	return &cli.Command{
		Name: "rollback", Usage: "Deploy an earlier revision of an app again", ArgsUsage: "APP",
		Description: examples("orc app rollback shop", "orc app rollback --to-revision 3 shop"),
		Flags:       append(watchFlags(), &cli.IntFlag{Name: "to-revision", Usage: "the revision's `NUMBER` (default: the previous one)"}),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			to := c.Int("to-revision")
			if c.IsSet("to-revision") && to < 1 {
				return usagef("--to-revision %d: revisions are numbered from 1", to)
			}
			deployed, err := cl.RollbackApp(c.Context, c.Args().First(), to)
			if err != nil {
				return err
			}
			return p.followDeployment(c, cl, deployed)
		}),
	}
}

func (p *program) appLogs() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "Show what an app's tasks wrote", ArgsUsage: "APP",
		Description: examples("orc app logs -f shop", "orc app logs --since 10m shop"),
		Flags:       logFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			return p.printLogs(c, cl, func(c *cli.Context, _ *client.Client) (client.LogsQuery, error) {
				return client.LogsQuery{App: c.Args().First()}, nil
			})
		}),
	}
}

func (p *program) appRm() *cli.Command {
	return remover(p, "orc app", "app", nil, func(c *cli.Context, cl *client.Client, ref string) error {
		removed, err := cl.RemoveApp(c.Context, ref)
		p.warn(removed.Warnings)
		return err
	})
}
