package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
	"github.com/orc-project/orc/cli/progress"
)

// watchFlags are those of all commands that wait for services to converge.
func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait until it has converged"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
		&cli.DurationFlag{Name: "wait-timeout", Usage: "wait for at most this `TIME` (default: till it converged or failed)"},
	}
}

// watchServices waits until services are as wanted, unless the user does not
// want to.
func (p *program) watchServices(c *cli.Context, cl *client.Client, all ...api.ServiceView) error {
	if c.Bool("detach") || len(all) == 0 {
		return nil
	}
	want := make(map[string]int)
	for _, service := range all {
		want[service.ID] = service.Current
	}
	err := p.watch(c, want, func(ctx context.Context) (view progress.View, err error) {
		for _, service := range all {
			found, err := cl.Service(ctx, service.ID)
			if err != nil {
				return view, err
			}
			tasks, err := cl.Tasks(ctx, client.TaskQuery{Service: service.ID})
			if err != nil {
				return view, err
			}
			view.Services = append(view.Services, found)
			view.Tasks = append(view.Tasks, tasks...)
		}
		return view, nil
	})
	return interrupted(err, "orc service ps "+all[0].Name)
}

func (p *program) watch(c *cli.Context, want map[string]int, look func(context.Context) (progress.View, error)) error {
	watch := progress.Watch{Look: look, Want: want, Timeout: c.Duration("wait-timeout")}
	if !c.Bool("quiet") {
		watch.Printer = p.progressPrinter()
	}
	return watch.Run(c.Context)
}

// progressPrinter shows progress where it can be seen: on the error stream when
// only that is a terminal, so that the output can be piped.
func (p *program) progressPrinter() *output.Printer {
	if file, ok := p.Out.(*os.File); ok && !term.IsTerminal(int(file.Fd())) {
		if printer := output.New(p.Err, p.Getenv); printer.Width > 0 {
			return printer
		}
	}
	return p.printer()
}

// interrupted says how to look again after Ctrl-C.
func interrupted(err error, look string) error {
	if errors.Is(err, progress.ErrInterrupted) {
		return fmt.Errorf("%w: it goes on by itself, `%s` shows how far it is", err, look)
	}
	return err
}

// warn prints what the manager warns of.
func (p *program) warn(warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintln(p.Err, "orc: warning:", visible(warning))
	}
}
