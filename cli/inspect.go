package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// inspect is `orc inspect`: a task by its ID or SERVICE.SLOT, or that of a container.
func (p *program) inspect() *cli.Command {
	command := inspecter(p, "orc", "task", func(ctx context.Context, cl *client.Client, ref string) (api.TaskView, error) {
		task, err := cl.Task(ctx, ref)
		if api.CodeOf(err) != api.CodeNotFound {
			return task, err
		}
		container, missing := cl.Container(ctx, ref)
		if missing != nil {
			return task, missing
		}
		return cl.Task(ctx, container.Task)
	})
	command.Usage = "Show everything about tasks: their containers so far, their last health checks"
	command.ArgsUsage = "TASK|CONTAINER…"
	command.Description = examples("orc inspect web.1", "orc inspect web.1 -f '{{json .Status.Checks}}'")
	return command
}
