package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/progress"
)

// showSteps prints what a deployment does to each object, and why.
func (p *program) showSteps(deployed api.Deployment, unchanged string) error {
	printed := false
	for _, step := range deployed.Steps {
		if step.Action == "keep" {
			continue
		}
		printed = true
		line := fmt.Sprintf("%s %s %s", step.Action, step.Object, step.Name)
		if step.Reason != "" {
			line += ": " + step.Reason
		}
		fmt.Fprintln(p.Out, line)
		for _, change := range changesInBrief(step.Changes) {
			fmt.Fprintln(p.Out, "    "+change)
		}
	}
	if !printed {
		fmt.Fprintf(p.Out, "app %s %s\n", deployed.Name, unchanged)
	}
	return nil
}

// followDeployment tells what was done and waits until the app has converged.
func (p *program) followDeployment(c *cli.Context, cl *client.Client, deployed api.Deployment) error {
	p.warn(deployed.Warnings)
	if !c.Bool("quiet") {
		if err := p.showSteps(deployed, fmt.Sprintf("is unchanged at revision %d", deployed.Revision)); err != nil {
			return err
		}
	}
	if c.Bool("detach") {
		return nil
	}
	services, err := cl.Services(c.Context, client.ServiceQuery{App: deployed.App})
	if err != nil {
		return err
	}
	want := make(map[string]int)
	for _, service := range services {
		want[service.ID] = service.Current
	}
	err = p.watch(c, want, func(ctx context.Context) (view progress.View, err error) {
		if view.Services, err = cl.Services(ctx, client.ServiceQuery{App: deployed.App}); err != nil {
			return view, err
		}
		view.Tasks, err = cl.Tasks(ctx, client.TaskQuery{App: deployed.App})
		return view, err
	})
	return interrupted(err, "orc app ps "+deployed.Name)
}
