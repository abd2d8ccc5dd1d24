package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/cli/spec"
)

func (p *program) exec() *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "Run a command in a container, on whichever node it is", ArgsUsage: "CONTAINER|TASK COMMAND [ARG…]",
		Description: examples("orc exec -it web.1 sh", "orc exec 4e0b5d1f3a2c cat /etc/hosts", "tar c . | orc exec -i web.1 tar x -C /srv") +
			"\n\nThe exit code is that of the command.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Usage: "hand on standard input"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give it a terminal"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set a variable, `NAME=VALUE`"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "as this `USER[:GROUP]`"},
			&cli.StringFlag{Name: "workdir", Aliases: []string{"w"}, Usage: "in this `DIRECTORY`"},
			&cli.BoolFlag{Name: "privileged", Usage: "with all rights"},
		},
		Action: p.with(p.runExec),
	}
}

func (p *program) runExec(c *cli.Context, cl *client.Client) error {
	if err := argCount(c, 2, -1); err != nil {
		return err
	}
	terminal, err := p.terminal(c)
	if err != nil {
		return err
	}
	request, err := p.execRequest(c, cl)
	if err != nil {
		return err
	}
	if terminal != nil {
		request.Width, request.Height = terminal.size()
	}
	running, err := cl.Exec(c.Context, request)
	if err != nil {
		return err
	}
	defer running.Close()
	if terminal != nil {
		restore, err := terminal.raw()
		if err != nil {
			return err
		}
		defer restore()
		stop := terminal.follow(c.Context, running)
		defer stop()
	}
	if request.Stdin {
		go p.sendInput(running)
	}
	code, err := running.Wait(p.Out, p.Err)
	if err != nil {
		return err
	}
	if code != 0 {
		return cli.Exit("", code)
	}
	return nil
}

// sendInput hands standard input on till its end. The end of the command ends the
// process, and so this.
func (p *program) sendInput(running *client.Exec) {
	if _, err := io.Copy(running, p.In); err == nil {
		running.CloseInput() // an error means that the command is over: Wait tells
	}
}

func (p *program) execRequest(c *cli.Context, cl *client.Client) (wire.ExecRequest, error) {
	request := wire.ExecRequest{
		Args: c.Args().Tail(), Dir: c.String("workdir"), User: c.String("user"),
		TTY: c.Bool("tty"), Stdin: c.Bool("interactive"), Privileged: c.Bool("privileged"),
	}
	for _, text := range c.StringSlice("env") {
		entry, err := spec.Env(text, os.LookupEnv)
		if err != nil {
			return request, err
		}
		if entry != "" {
			request.Env = append(request.Env, entry)
		}
	}
	ref := c.Args().First()
	found, err := findTask(c.Context, cl, ref)
	request.Task, request.Container = found.Task, found.ID
	return request, err
}

// findTask finds a container, or a task, which may have none: then only its Task is set.
func findTask(ctx context.Context, cl *client.Client, ref string) (api.ContainerView, error) {
	container, err := cl.Container(ctx, ref)
	if api.CodeOf(err) != api.CodeNotFound && api.CodeOf(err) != api.CodeConflict {
		return container, err
	}
	task, taskErr := cl.Task(ctx, ref)
	if taskErr != nil {
		return container, err
	}
	return api.ContainerView{Task: task.ID}, nil
}

// terminal is the one that orc runs in.
type terminal struct{ in *os.File }

// terminal returns nil when the command shall have none.
func (p *program) terminal(c *cli.Context) (*terminal, error) {
	if !c.Bool("tty") || !c.Bool("interactive") {
		return nil, nil
	}
	in, ok := p.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, api.Invalidf("-t needs a terminal, and standard input is none: leave -t out")
	}
	return &terminal{in: in}, nil
}

func (t *terminal) size() (width, height uint16) {
	w, h, err := term.GetSize(int(t.in.Fd()))
	if err != nil || w < 0 || h < 0 || w > 0xffff || h > 0xffff {
		return 80, 24
	}
	return uint16(w), uint16(h)
}

// raw hands every key on as it is; the returned function puts it back.
func (t *terminal) raw() (func(), error) {
	state, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return nil, errors.Join(errors.New("set the terminal up"), err)
	}
	return func() { term.Restore(int(t.in.Fd()), state) }, nil
}

// follow tells the command when the window's size changes, until stopped.
func (t *terminal) follow(ctx context.Context, running *client.Exec) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changes:
				if running.Resize(t.size()) != nil {
					return
				}
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		cancel()
		running.Close() // a resize that nobody reads any more must not hold this up
		<-done
	}
}
