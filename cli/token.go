package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) token() *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "Show how a host joins the cluster, and what lets it in",
		Description: "Each role has a standing token, which can be shown again and is good until it is rotated. Others end by\n" +
			"time or by use, and are shown once: the cluster keeps only what it knows them again by.",
		Subcommands: []*cli.Command{
			p.tokenOf(api.RoleWorker), p.tokenOf(api.RoleManager),
			lister(p, "orc token", "List the join tokens", tokenListing(time.Now()),
				func(ctx context.Context, cl *client.Client) ([]api.TokenView, error) { return cl.Tokens(ctx) }),
			remover(p, "orc token", "token", nil, func(c *cli.Context, cl *client.Client, id string) error { return cl.RemoveToken(c.Context, id) }),
		},
	}
}

// tokenOf is `orc token worker` or `orc token manager`.
func (p *program) tokenOf(role api.Role) *cli.Command {
	path := "orc token " + string(role)
	return &cli.Command{
		Name: string(role), Usage: "Show how a host joins as a " + string(role),
		Description: examples(path, path+" -q", path+" --rotate", path+" --uses 1 --expires 1h") +
			"\n\nWith --rotate the standing token of before is void; hosts that joined with it stay. With --expires or\n" +
			"--uses a token beside the standing one is made, and shown this once.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "rotate", Usage: "make a new standing token"},
			&cli.DurationFlag{Name: "expires", Usage: "make a token that is good for `DURATION`"},
			&cli.IntFlag{Name: "uses", Usage: "make a token that lets `N` hosts in"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the token"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			limited := c.IsSet("expires") || c.IsSet("uses")
			var token api.JoinToken
			var err error
			switch {
			case limited && c.Bool("rotate"):
				return usagef("%s: --rotate makes the standing token anew, which has no limits: leave out --expires and --uses", path)
			case c.IsSet("expires") && c.Duration("expires") <= 0:
				return usagef("%s: --expires %s: want a time such as 1h", path, c.Duration("expires"))
			case c.IsSet("uses") && c.Int("uses") < 1:
				return usagef("%s: --uses %d: want 1 or more", path, c.Int("uses"))
			case limited:
				token, err = cl.CreateToken(c.Context, api.TokenRequest{Role: role, Expires: api.Duration(c.Duration("expires")), Uses: c.Int("uses")})
			case c.Bool("rotate"):
				token, err = cl.RotateToken(c.Context, role)
			default:
				token, err = cl.Token(c.Context, role)
			}
			if err != nil {
				return err
			}
			if c.Bool("quiet") {
				_, err = fmt.Fprintln(p.Out, token.Token)
				return err
			}
			_, err = fmt.Fprintf(p.Out, "To add a %s to this cluster, run on its host:\n\n    %s\n\n%s", role, token.Command, limits(token))
			return err
		}),
	}
}

// limits says how long a token is good.
func limits(token api.JoinToken) string {
	var words []string
	switch {
	case token.Uses == 1:
		words = append(words, "for one host")
	case token.Uses > 1:
		words = append(words, fmt.Sprintf("for %d hosts", token.Uses))
	}
	if !token.Expires.IsZero() {
		words = append(words, "until "+token.Expires.Local().Format("2006-01-02 15:04:05 MST"))
	}
	if words == nil {
		return ""
	}
	return fmt.Sprintf("It is good %s, and not shown again. `orc token rm %s` makes it void.\n", strings.Join(words, ", "), api.ShortID(token.ID))
}

func tokenListing(now time.Time) listing[api.TokenView] {
	return listing[api.TokenView]{
		List: output.List[api.TokenView]{
			ID: func(t api.TokenView) string { return t.ID },
			Columns: []output.Column[api.TokenView]{
				{Name: "ID", Header: "ID", Value: func(t api.TokenView) string { return api.ShortID(t.ID) }, Full: func(t api.TokenView) string { return t.ID }},
				{Name: "Role", Header: "ROLE", Value: func(t api.TokenView) string { return string(t.Role) }},
				{Name: "Expires", Header: "EXPIRES", Value: func(t api.TokenView) string { return expiry(now, t) }},
				{Name: "Uses", Header: "USES LEFT", Value: usesLeft},
				{Name: "CreatedAt", Header: "CREATED", Value: func(t api.TokenView) string { return output.Ago(now, t.Created) }, Spare: 1},
				{Name: "Standing", Value: func(t api.TokenView) string { return strconv.FormatBool(t.Standing) }},
			},
		},
		filters: filters[api.TokenView]{
			"id":   func(t api.TokenView, v string) bool { return strings.HasPrefix(t.ID, v) },
			"role": func(t api.TokenView, v string) bool { return string(t.Role) == v },
		},
	}
}

func expiry(now time.Time, t api.TokenView) string {
	if t.Expires.IsZero() {
		return "never"
	}
	return "in " + output.Age(t.Expires, now)
}

func usesLeft(t api.TokenView) string {
	if t.Uses == 0 {
		return "any"
	}
	return strconv.Itoa(t.Uses)
}
