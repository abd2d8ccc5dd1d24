package cli

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/compose"
)

func (p *program) deploy() *cli.Command {
	return &cli.Command{
		Name: "deploy", Usage: "Make an app what a Compose file says, all of it or nothing", ArgsUsage: "FILE…",
		Description: examples(
			"orc deploy app.yaml",
			"orc deploy -n shop compose.yaml production.yaml",
			"orc deploy --dry-run app.yaml",
			"orc deploy --prune --detach app.yaml") +
			"\n\nThe same file again changes nothing; a changed one rolls only what differs.",
		Flags: append(watchFlags(),
			&cli.StringFlag{Name: "name", Aliases: []string{"n"}, Usage: "the app's `NAME` (default: the file's name:, else its directory's)"},
			&cli.StringSliceFlag{Name: "compose-file", Aliases: []string{"c"}, Hidden: true},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and why, and do nothing"},
			&cli.BoolFlag{Name: "prune", Usage: "remove the app's services that the files have not"},
			&cli.StringSliceFlag{Name: "profile", Usage: "switch a `PROFILE` of the files on"},
			&cli.StringSliceFlag{Name: "env-file", Usage: "take variables for the files from this `FILE` (default .env)"},
			&cli.BoolFlag{Name: "with-registry-auth", Usage: "hand on this user's registry logins from the Docker configuration"},
			&cli.BoolFlag{Name: "no-resolve-image", Usage: "keep the images' tags, each node resolves them itself"},
		),
		Action: p.with(p.deployApp),
	}
}

func (p *program) deployApp(c *cli.Context, cl *client.Client) error {
	files := append(c.StringSlice("compose-file"), c.Args().Slice()...)
	if len(files) == 0 {
		return argCount(c, 1, -1)
	}
	spec, warnings, err := compose.Load(c.Context, compose.Options{
		Paths: files, Stdin: p.In, Env: os.Environ(), EnvFiles: c.StringSlice("env-file"),
		Profiles: c.StringSlice("profile"), ProjectName: c.String("name"),
	})
	for _, warning := range warnings {
		p.warn([]string{warning.String()})
	}
	if err != nil {
		return err
	}
	if c.Bool("with-registry-auth") {
		if err := p.addLogins(&spec); err != nil {
			return err
		}
	}
	deployed, err := cl.Deploy(c.Context, api.AppDeploy{
		Spec: spec, Prune: c.Bool("prune"), DryRun: c.Bool("dry-run"), NoResolve: c.Bool("no-resolve-image"),
	})
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		p.warn(deployed.Warnings)
		return p.showSteps(deployed, "would be unchanged")
	}
	return p.followDeployment(c, cl, deployed)
}

func (p *program) addLogins(spec *api.AppSpec) error {
	for name, service := range spec.Services {
		auth, err := p.registryAuth(service.Container.Image)
		if err != nil {
			return err
		}
		service.Container.RegistryAuth = auth
		spec.Services[name] = service
	}
	return nil
}
