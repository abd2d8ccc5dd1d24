package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/spec"
)

// updateRetries is how often an update is tried again on a spec that somebody
// else changed meanwhile.
const updateRetries = 5

func (p *program) serviceUpdate() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "image", Usage: "a new `IMAGE`"},
		&cli.StringFlag{Name: "args", Usage: "a new `COMMAND` line"},
		&cli.BoolFlag{Name: "force", Usage: "replace every task although nothing changes"},
		&cli.BoolFlag{Name: "rollback", Usage: "go back to the previous revision"},
		&cli.IntFlag{Name: "to-revision", Usage: "go back to this revision `NUMBER`"},
	}
	for _, each := range collections() {
		flags = append(flags, &cli.StringSliceFlag{Name: each.name + "-add", Usage: each.usage},
			&cli.StringSliceFlag{Name: each.name + "-rm", Usage: each.removeUsage})
	}
	flags = append(flags, sharedFlags()...)
	for _, each := range settings() {
		flags = append(flags, each.flag)
	}
	return &cli.Command{
		Name: "update", Usage: "Change a service, a few tasks at a time", ArgsUsage: "SERVICE",
		Description: examples(
			"orc service update --image timecheck:2.0 timecheck",
			"orc service update --env-add MODE=fast --env-rm DEBUG --update-parallelism 2 web",
			"orc service update --publish-rm 80 --publish-add 8011:80 web",
			"orc service update --force web",
			"orc service update --rollback web"),
		Flags:  sorted(flags),
		Action: p.with(p.updateService),
	}
}

func (p *program) updateService(c *cli.Context, cl *client.Client) error {
	if err := argCount(c, 1, 1); err != nil {
		return err
	}
	if c.Bool("rollback") || c.IsSet("to-revision") {
		return p.rollBackService(c, cl)
	}
	for try := 1; ; try++ {
		service, err := cl.Service(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		s := service.Spec
		if err := p.changeSpec(c, cl, &s); err != nil {
			return err
		}
		answer, err := cl.UpdateService(c.Context, service.ID, api.ServiceUpdate{
			Spec: s, Version: service.Version, Force: c.Bool("force"), NoResolve: c.Bool("no-resolve-image"),
		})
		if api.CodeOf(err) == api.CodeConflict && try < updateRetries {
			if again, readErr := cl.Service(c.Context, service.ID); readErr == nil && again.Version != service.Version {
				continue // somebody else was faster: the change is made to what they made
			}
		}
		if err != nil {
			return err
		}
		p.warn(answer.Warnings)
		if _, err := fmt.Fprintln(p.Out, answer.Service.Name); err != nil {
			return err
		}
		return p.watchServices(c, cl, answer.Service)
	}
}

// changeSpec changes what the flags of update say.
func (p *program) changeSpec(c *cli.Context, cl *client.Client, s *api.ServiceSpec) error {
	s.Replicas = nil // unchanged, unless --replicas says so
	if c.IsSet("image") {
		s.Container.Image, s.Container.Digest = c.String("image"), ""
	}
	if c.IsSet("args") {
		words, err := spec.Words("--args", c.String("args"))
		if err != nil {
			return err
		}
		s.Container.Args = words
	}
	for _, each := range collections() {
		removed := c.StringSlice(each.name + "-rm")
		if each.name == "network" {
			removed = networkIDs(c, cl, removed)
		}
		if err := each.remove(s, removed); err != nil {
			return err
		}
		if err := each.add(s, c.StringSlice(each.name+"-add")); err != nil {
			return err
		}
	}
	if err := applySettings(c, s); err != nil {
		return err
	}
	if c.Bool("with-registry-auth") {
		auth, err := p.registryAuth(s.Container.Image)
		if err != nil {
			return err
		}
		s.Container.RegistryAuth = auth
	}
	return nil
}

// networkIDs adds the networks' IDs to their names: a stored spec has IDs.
func networkIDs(c *cli.Context, cl *client.Client, names []string) []string {
	all := slices.Clone(names)
	for _, name := range names {
		if network, err := cl.Network(c.Context, name); err == nil {
			all = append(all, network.ID)
		}
	}
	return all
}
