package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
	"github.com/orc-project/orc/version"
)

// versionPatience is how long a manager may take to tell its version.
const versionPatience = 2 * time.Second

// versions is what `orc version` tells. Server is nil when no manager answers.
type versions struct {
	Client api.VersionInfo  `json:"client"`
	Server *api.VersionInfo `json:"server,omitempty"`
}

func (p *program) version() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show the version of orc and of what it is made of, here and on the manager",
		Description: examples("orc version", "orc version --client", "orc version -f '{{.Client.Version}}'"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "json or a Go `TEMPLATE`"},
			&cli.BoolFlag{Name: "client", Usage: "do not ask a manager"},
		},
		Action: func(c *cli.Context) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			parts := version.Parts()
			maps.Copy(parts, p.Parts)
			told := versions{Client: api.VersionInfo{Version: version.Version, Commit: version.Commit, Parts: parts}}
			missing := ""
			if !c.Bool("client") {
				var err error
				if told.Server, err = p.serverVersion(c); err != nil {
					missing = err.Error()
				}
			}
			if format := c.String("format"); format != "" {
				return output.Inspect(p.printer(), format, []versions{told})
			}
			_, err := fmt.Fprint(p.Out, versionText(told, missing))
			return err
		},
	}
}

func (p *program) serverVersion(c *cli.Context) (*api.VersionInfo, error) {
	cl, err := p.connect(c)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.Context, versionPatience)
	defer cancel()
	info, err := cl.Version(ctx)
	if err != nil {
		return nil, err
	}
	return &info, nil
}

func versionText(told versions, missing string) string {
	var out strings.Builder
	write := func(title string, info api.VersionInfo) {
		fmt.Fprintf(&out, "%s: orc %s", title, info.Version)
		if info.Commit != "" {
			fmt.Fprintf(&out, " (%s)", info.Commit)
		}
		out.WriteByte('\n')
		for _, name := range slices.Sorted(maps.Keys(info.Parts)) {
			fmt.Fprintf(&out, "  %-24s %s\n", name, info.Parts[name])
		}
	}
	write("Client", told.Client)
	switch {
	case told.Server != nil:
		write("Manager", *told.Server)
	case missing != "":
		fmt.Fprintf(&out, "Manager: %s\n", missing)
	}
	return out.String()
}
