package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/spec"
)

func (p *program) serviceCreate() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "the service's `NAME` (default: from the image's, with a random end)"},
		&cli.StringFlag{Name: "mode", Usage: "`MODE`: replicated, global, replicated-job or global-job (default replicated)"},
		&cli.StringSliceFlag{Name: "env-file", Usage: "set the variables in this `FILE`, one NAME=VALUE a line"},
	}
	for _, each := range collections() {
		flag := &cli.StringSliceFlag{Name: each.name, Usage: each.usage}
		if each.alias != "" {
			flag.Aliases = []string{each.alias}
		}
		flags = append(flags, flag)
	}
	flags = append(flags, sharedFlags()...)
	for _, each := range settings() {
		flags = append(flags, each.flag)
	}
	return &cli.Command{
		Name: "create", Usage: "Create a service", ArgsUsage: "IMAGE [COMMAND] [ARG…]",
		Description: examples(
			"orc service create --name timecheck --replicas 3 timecheck:1.0",
			"orc service create -d --name gallery --network iotd-net --publish 8010:80 image-gallery",
			"orc service create --name db --mount source=data,target=/data --limit-memory 1g \\\n      --constraint node.labels.disk==ssd postgres:17",
			"orc service create --name report --mode replicated-job --schedule '0 3 * * *' report:2"),
		Flags:  sorted(flags),
		Action: p.with(p.createService),
	}
}

// sharedFlags are those of create and update that are not about the spec alone.
func sharedFlags() []cli.Flag {
	return append(watchFlags(),
		&cli.StringSliceFlag{Name: "cap-add", Usage: "give the containers a Linux `CAPABILITY`"},
		&cli.StringSliceFlag{Name: "cap-drop", Usage: "take a Linux `CAPABILITY` away"},
		&cli.StringSliceFlag{Name: "log-opt", Usage: "bound the containers' logs, `OPTION` max-size=10m or max-file=3"},
		&cli.BoolFlag{Name: "with-registry-auth", Usage: "hand on this user's registry login from the Docker configuration"},
		&cli.BoolFlag{Name: "no-resolve-image", Usage: "keep the image's tag, each node resolves it itself"},
	)
}

func sorted(flags []cli.Flag) []cli.Flag {
	slices.SortFunc(flags, func(a, b cli.Flag) int {
		switch first, second := a.Names()[0], b.Names()[0]; {
		case first < second:
			return -1
		case first > second:
			return 1
		}
		return 0
	})
	return flags
}

func (p *program) createService(c *cli.Context, cl *client.Client) error {
	if err := argCount(c, 1, -1); err != nil {
		return err
	}
	s, err := p.newSpec(c)
	if err != nil {
		return err
	}
	answer, err := cl.CreateService(c.Context, api.ServiceCreate{Spec: *s, NoResolve: c.Bool("no-resolve-image")})
	if err != nil {
		return err
	}
	p.warn(answer.Warnings)
	if _, err := fmt.Fprintln(p.Out, answer.Service.ID); err != nil {
		return err
	}
	return p.watchServices(c, cl, answer.Service)
}

// newSpec reads a service's spec from the flags and arguments of create.
func (p *program) newSpec(c *cli.Context) (*api.ServiceSpec, error) {
	s := &api.ServiceSpec{Name: c.String("name"), Mode: api.Mode(c.String("mode"))}
	s.Container.Image = c.Args().First()
	s.Container.Args = c.Args().Tail()
	if len(s.Container.Args) == 0 {
		s.Container.Args = nil
	}
	if s.Name == "" {
		s.Name = nameFrom(s.Container.Image)
	}
	for _, file := range c.StringSlice("env-file") {
		env, err := readEnvFile(file)
		if err != nil {
			return nil, err
		}
		s.Container.Env = spec.Merge(s.Container.Env, env, spec.EnvName)
	}
	for _, each := range collections() {
		if err := each.add(s, c.StringSlice(each.name)); err != nil {
			return nil, err
		}
	}
	if err := applySettings(c, s); err != nil {
		return nil, err
	}
	if c.Bool("with-registry-auth") {
		auth, err := p.registryAuth(s.Container.Image)
		if err != nil {
			return nil, err
		}
		s.Container.RegistryAuth = auth
	}
	// What cannot be right is refused before anything is sent.
	s.Defaults()
	return s, s.Validate()
}

// applySettings sets what create's and update's common flags say.
func applySettings(c *cli.Context, s *api.ServiceSpec) error {
	for _, each := range settings() {
		if c.IsSet(each.flag.Names()[0]) {
			if err := each.apply(c, s); err != nil {
				return err
			}
		}
	}
	add, drop := c.StringSlice("cap-add"), c.StringSlice("cap-drop")
	container := &s.Container
	container.CapAdd = spec.Merge(spec.Remove(container.CapAdd, drop, spec.Itself), add, spec.Itself)
	container.CapDrop = spec.Merge(spec.Remove(container.CapDrop, add, spec.Itself), drop, spec.Itself)
	for _, option := range c.StringSlice("log-opt") {
		if err := spec.Logs(option, container); err != nil {
			return err
		}
	}
	return nil
}

func readEnvFile(name string) (env []string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, api.Invalidf("--env-file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return spec.EnvFile(name, file, os.LookupEnv)
}
