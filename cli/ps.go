package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) ps() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "List containers, of the whole cluster",
		Description: examples("orc ps", "orc ps -a --node n2", "orc ps --filter service=web -q"),
		Flags: listFlags(
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "those that ended too"},
			&cli.StringFlag{Name: "node", Usage: "only those on this `NODE`"},
		),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			containers, err := cl.Containers(c.Context, client.ContainerQuery{Node: c.String("node"), All: c.Bool("all")})
			if err != nil {
				return err
			}
			return containerListing(time.Now()).show(p, c, containers)
		}),
	}
}

func containerListing(now time.Time) listing[api.ContainerView] {
	return listing[api.ContainerView]{
		List: output.List[api.ContainerView]{
			ID: func(v api.ContainerView) string { return v.ID },
			Columns: []output.Column[api.ContainerView]{
				{Name: "ID", Header: "CONTAINER ID", Value: func(v api.ContainerView) string { return api.ShortID(v.ID) }, Full: func(v api.ContainerView) string { return v.ID }, Spare: 1},
				{Name: "Name", Header: "NAME", Value: func(v api.ContainerView) string { return v.Name }, Shrink: true, Tail: true},
				{Name: "Image", Header: "IMAGE", Value: func(v api.ContainerView) string { return v.Image }, Shrink: true, Tail: true, Spare: 2},
				{Name: "Command", Header: "COMMAND", Value: func(v api.ContainerView) string { return output.Cut(v.Command, 20) }, Full: func(v api.ContainerView) string { return v.Command }, Shrink: true, Spare: 3},
				{Name: "RunningFor", Header: "CREATED", Value: func(v api.ContainerView) string { return output.Ago(now, v.Attempt.Started) }, Spare: 4},
				{Name: "Status", Header: "STATUS", Value: func(v api.ContainerView) string { return containerStatus(v, now) }, Color: containerColor, Shrink: true},
				{Name: "Node", Header: "NODE", Value: func(v api.ContainerView) string { return v.NodeName }, Shrink: true, Tail: true},
				{Name: "State", Value: func(v api.ContainerView) string { return string(v.State) }},
				{Name: "Service", Value: func(v api.ContainerView) string { return v.ServiceName }},
				{Name: "App", Value: func(v api.ContainerView) string { return v.AppName }},
				{Name: "Task", Value: func(v api.ContainerView) string { return v.Task }},
				{Name: "Pid", Value: func(v api.ContainerView) string { return fmt.Sprint(v.Attempt.Pid) }},
			},
		},
		filters: filters[api.ContainerView]{
			"id":      func(v api.ContainerView, t string) bool { return strings.HasPrefix(v.ID, t) },
			"name":    func(v api.ContainerView, t string) bool { return strings.Contains(v.Name, t) },
			"service": func(v api.ContainerView, t string) bool { return v.ServiceName == t },
			"app":     func(v api.ContainerView, t string) bool { return v.AppName == t },
			"node": func(v api.ContainerView, t string) bool {
				return v.NodeName == t || t != "" && strings.HasPrefix(v.Node, t)
			},
			"status": func(v api.ContainerView, t string) bool { return string(v.State) == t },
			"health": func(v api.ContainerView, t string) bool { return health(v) == t },
		},
	}
}

// containerStatus tells it as Docker does: "Up 3 minutes (healthy)".
func containerStatus(v api.ContainerView, now time.Time) string {
	attempt := v.Attempt
	switch {
	case !attempt.Finished.IsZero():
		return fmt.Sprintf("Exited (%d) %s", attempt.ExitCode, lowerFirst(output.Ago(now, attempt.Finished)))
	case attempt.Started.IsZero():
		return "Created"
	}
	text := "Up " + lowerFirst(output.Age(now, attempt.Started))
	if h := health(v); h != "none" {
		text += " (" + h + ")"
	}
	return text
}

func health(v api.ContainerView) string {
	switch {
	case v.Healthy == nil:
		return "none"
	case *v.Healthy:
		return "healthy"
	case v.State == api.TaskStarting:
		return "starting"
	}
	return "unhealthy"
}

func containerColor(v api.ContainerView) output.Color {
	switch {
	case !v.Attempt.Finished.IsZero() && v.Attempt.ExitCode != 0, health(v) == "unhealthy":
		return output.Bad
	case !v.Attempt.Finished.IsZero():
		return output.Dim
	case v.State == api.TaskRunning:
		return output.Good
	}
	return output.Busy
}

func (p *program) rm() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "Remove containers; their tasks get new ones as the restart policy says", ArgsUsage: "CONTAINER…",
		Description: examples("orc rm -f 4e0b5d1f3a2c", "orc rm -f web.1"),
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "also those that run, at once"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			return p.each(c, func(ref string) error { return cl.RemoveContainer(c.Context, ref, c.Bool("force")) })
		}),
	}
}
