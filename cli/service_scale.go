package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api/client"
)

func (p *program) serviceScale() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "Set the number of tasks of one or more services, all or none", ArgsUsage: "SERVICE=REPLICAS…",
		Description: examples("orc service scale web=5", "orc service scale web=5 worker=10"),
		Flags:       watchFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, -1); err != nil {
				return err
			}
			wanted, err := readScale(c.Args().Slice())
			if err != nil {
				return err
			}
			scaled, err := cl.Scale(c.Context, wanted)
			if err != nil {
				return err
			}
			for _, service := range scaled {
				if _, err := fmt.Fprintf(p.Out, "%s scaled to %d\n", service.Name, service.Replicas); err != nil {
					return err
				}
			}
			return p.watchServices(c, cl, scaled...)
		}),
	}
}

func readScale(args []string) (map[string]int, error) {
	wanted := make(map[string]int, len(args))
	for _, arg := range args {
		name, text, _ := strings.Cut(arg, "=")
		replicas, err := strconv.Atoi(text)
		if err != nil || replicas < 0 || name == "" {
			return nil, usagef("%q: want SERVICE=REPLICAS, as web=5", arg)
		}
		if _, twice := wanted[name]; twice {
			return nil, usagef("%q: %s is named twice", arg, name)
		}
		wanted[name] = replicas
	}
	return wanted, nil
}
