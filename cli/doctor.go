package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) doctor() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "Find out what is wrong with nodes and the ways between them",
		Description: examples("orc doctor", "orc doctor --node n2", "orc doctor --filter level=problem") +
			"\n\nEvery node looks at its packet rules, subnets, ports, name servers and clock, and whether it\nreaches every other node. Ends with 1 if anything does not work.",
		Flags: listFlags(&cli.StringFlag{Name: "node", Usage: "only this `NODE`"}),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			found, err := cl.Doctor(c.Context, c.String("node"))
			if err != nil {
				return err
			}
			if err := findings.show(p, c, found); err != nil {
				return err
			}
			for _, each := range found {
				if each.Level == api.LevelProblem {
					return errors.New("something does not work: see above")
				}
			}
			return nil
		}),
	}
}

var findings = listing[api.Finding]{
	List: output.List[api.Finding]{
		ID: func(f api.Finding) string { return f.NodeName },
		Columns: []output.Column[api.Finding]{
			{Name: "Node", Header: "NODE", Value: func(f api.Finding) string { return f.NodeName }, Shrink: true, Tail: true},
			{Name: "Level", Header: "LEVEL", Value: func(f api.Finding) string { return string(f.Level) }},
			{Name: "Subject", Header: "SUBJECT", Value: func(f api.Finding) string { return f.Subject }},
			{Name: "Message", Header: "FOUND", Value: func(f api.Finding) string { return f.Message }, Shrink: true, Wrap: true},
		},
	},
	filters: filters[api.Finding]{
		"node":    func(f api.Finding, v string) bool { return f.NodeName == v },
		"level":   func(f api.Finding, v string) bool { return string(f.Level) == v },
		"subject": func(f api.Finding, v string) bool { return f.Subject == v },
	},
}
