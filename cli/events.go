package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) events() *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "Show what happens in the cluster, as it happens",
		Description: examples("orc events", "orc events --since 10m --until 0s", "orc events --filter type=node --format json"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "begin with events of this `TIME`, or that long ago"},
			&cli.StringFlag{Name: "until", Usage: "end at this `TIME`; 0s is now"},
			&cli.StringSliceFlag{Name: "filter", Aliases: []string{"f"}, Usage: "show only what fits `KEY=VALUE`"},
			&cli.StringFlag{Name: "format", Usage: "json or a Go `TEMPLATE` for each event"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) (err error) {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			now := time.Now()
			var query client.EventsQuery
			if query.Since, err = instant("--since", c.String("since"), now); err != nil {
				return err
			}
			if query.Until, err = instant("--until", c.String("until"), now); err != nil {
				return err
			}
			query.Follow = query.Until.IsZero() || query.Until.After(now)
			if query.Since.IsZero() && query.Follow {
				query.Since = now
			}
			if _, err := eventFilters.apply(nil, c.StringSlice("filter")); err != nil {
				return err
			}
			for event, err := range cl.Events(c.Context, query) {
				if err != nil {
					return err
				}
				if err := p.showEvent(c, event); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

var eventFilters = filters[api.Event]{
	"type":   func(e api.Event, v string) bool { return e.Type == v },
	"action": func(e api.Event, v string) bool { return e.Action == v },
	"event":  func(e api.Event, v string) bool { return e.Action == v }, // as Docker calls it
	"id":     func(e api.Event, v string) bool { return strings.HasPrefix(e.ID, v) },
	"name":   func(e api.Event, v string) bool { return e.Name == v },
	"service": func(e api.Event, v string) bool {
		return e.Attributes["service"] == v || e.Type == "service" && e.Name == v
	},
	"node": func(e api.Event, v string) bool { return e.Attributes["node"] == v || e.Type == "node" && e.Name == v },
}

func (p *program) showEvent(c *cli.Context, event api.Event) error {
	fits, err := eventFilters.apply([]api.Event{event}, c.StringSlice("filter"))
	if err != nil || len(fits) == 0 {
		return err
	}
	if format := c.String("format"); format != "" {
		return output.Inspect(p.printer(), format, fits)
	}
	var attributes []string
	for key, value := range event.Attributes {
		attributes = append(attributes, key+"="+value)
	}
	slices.Sort(attributes)
	line := fmt.Sprintf("%s %s %s %s", event.Time.Local().Format(time.RFC3339Nano), event.Type, event.Action, event.Name)
	if event.Name == "" {
		line += api.ShortID(event.ID)
	}
	if len(attributes) > 0 {
		line += " (" + strings.Join(attributes, ", ") + ")"
	}
	_, err = fmt.Fprintln(p.Out, output.Cut(line, len(line)))
	return err
}
