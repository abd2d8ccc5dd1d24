package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) service() *cli.Command {
	return &cli.Command{
		Name: "service", Usage: "manage services",
		Subcommands: []*cli.Command{
			p.serviceCreate(),
			lister(p, "orc service", "List services", services, func(ctx context.Context, cl *client.Client) ([]api.ServiceView, error) {
				return cl.Services(ctx, client.ServiceQuery{})
			}),
			p.servicePs(), p.serviceInspect(), p.serviceLogs(), p.serviceUpdate(), p.serviceScale(), p.serviceRebalance(),
			p.serviceRollback(), p.serviceHistory(), p.serviceDiff(), p.serviceWait(),
			remover(p, "orc service", "service", nil, func(c *cli.Context, cl *client.Client, ref string) error {
				return cl.RemoveService(c.Context, ref)
			}),
		},
	}
}

var services = listing[api.ServiceView]{
	List: output.List[api.ServiceView]{
		ID: func(s api.ServiceView) string { return s.ID },
		Columns: []output.Column[api.ServiceView]{
			{Name: "ID", Header: "ID", Value: func(s api.ServiceView) string { return api.ShortID(s.ID) }, Full: func(s api.ServiceView) string { return s.ID }, Spare: 2},
			{Name: "Name", Header: "NAME", Value: func(s api.ServiceView) string { return s.Name }, Shrink: true, Tail: true},
			{Name: "Mode", Header: "MODE", Value: func(s api.ServiceView) string { return string(s.Spec.Mode) }, Spare: 3},
			{Name: "Replicas", Header: "REPLICAS", Value: replicas, Color: serviceColor, Shrink: true},
			{Name: "Image", Header: "IMAGE", Value: func(s api.ServiceView) string { return s.Spec.Container.Image }, Shrink: true, Tail: true},
			{Name: "Ports", Header: "PORTS", Value: func(s api.ServiceView) string { return ports(s.Ports) }, Shrink: true, Spare: 1},
			{Name: "App", Value: func(s api.ServiceView) string { return s.AppName }},
			{Name: "Labels", Value: func(s api.ServiceView) string { return labels(s.Spec.Labels) }},
			{Name: "Revision", Value: func(s api.ServiceView) string { return fmt.Sprint(s.Current) }},
		},
	},
	filters: filters[api.ServiceView]{
		"id":    func(s api.ServiceView, v string) bool { return strings.HasPrefix(s.ID, v) },
		"name":  func(s api.ServiceView, v string) bool { return strings.Contains(s.Name, v) },
		"mode":  func(s api.ServiceView, v string) bool { return string(s.Spec.Mode) == v },
		"app":   func(s api.ServiceView, v string) bool { return s.AppName == v },
		"label": func(s api.ServiceView, v string) bool { return hasLabel(s.Spec.Labels, v) },
	},
}

func replicas(s api.ServiceView) string {
	if s.Spec.Mode.Job() {
		return fmt.Sprintf("%d/%d (%d completed)", s.Running, s.Desired, s.Completed)
	}
	return fmt.Sprintf("%d/%d", s.Running, s.Desired)
}

func serviceColor(s api.ServiceView) output.Color {
	switch {
	case s.Spec.Mode.Job(), s.Running >= s.Desired:
		return output.Good
	case s.Running == 0:
		return output.Bad
	}
	return output.Busy
}

func (p *program) servicePs() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "List the tasks of one or more services", ArgsUsage: "SERVICE…",
		Description: examples("orc service ps web", "orc service ps --filter desired-state=running web", "orc service ps --no-trunc web") +
			"\n\nTasks and containers that were replaced are listed below those that replaced\nthem. ERROR says what went wrong, and why a pending task does not run.",
		Flags: listFlags(&cli.BoolFlag{Name: "no-resolve", Hidden: true}),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			var all []api.TaskView
			for _, ref := range c.Args().Slice() {
				tasks, err := cl.Tasks(c.Context, client.TaskQuery{Service: ref})
				if err != nil {
					return err
				}
				all = append(all, tasks...)
				service, err := cl.Service(c.Context, ref)
				if err != nil {
					return err
				}
				for _, warning := range service.Warnings {
					p.warn([]string{"service " + service.Name + ": " + warning})
				}
			}
			return p.showTasks(c, all)
		}),
	}
}

func (p *program) serviceInspect() *cli.Command {
	command := prettyInspecter(p, "orc service", "service", func(ctx context.Context, cl *client.Client, ref string) (api.ServiceView, error) {
		return cl.Service(ctx, ref)
	}, func(s api.ServiceView) error {
		_, err := fmt.Fprint(p.Out, prettyService(s))
		return err
	})
	command.Description = examples("orc service inspect web", "orc service inspect --pretty web", "orc service inspect web -f '{{.Spec.Image}}'")
	return command
}
