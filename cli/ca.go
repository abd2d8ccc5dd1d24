package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/progress"
	"github.com/orc-project/orc/sleep"
)

func (p *program) ca() *cli.Command {
	return &cli.Command{
		Name: "ca", Usage: "show and rotate the CA that the cluster's certificates are of",
		Subcommands: []*cli.Command{p.caShow(), p.caInspect(), p.caRotate()},
	}
}

func (p *program) caShow() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "Show the CA, and how far a rotation is",
		Description: examples("orc ca show"),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			view, err := cl.CAStatus(c.Context)
			if err != nil {
				return err
			}
			for _, root := range view.Roots {
				fmt.Fprintf(p.Out, "%s\n    %s, until %s%s\n", root.Digest, root.Subject, root.Ends.Format(time.DateOnly), issues(view, root))
			}
			if view.Phase != api.CASettled {
				fmt.Fprintln(p.Out, "\nIt is being rotated: "+caProgress(view))
			}
			if len(view.Restart) > 0 {
				fmt.Fprintln(p.Out, "\n"+caRestart(view))
			}
			return nil
		}),
	}
}

// issues says what a root is for while there are two.
func issues(view api.CAView, root api.RootView) string {
	switch {
	case len(view.Roots) == 1:
		return ""
	case root.Issues:
		return " (issues certificates)"
	}
	return " (is trusted)"
}

func (p *program) caInspect() *cli.Command {
	return soleInspecter(p, "the CA", (*client.Client).CAStatus,
		"orc ca inspect", "orc ca inspect -f '{{.Phase}}: {{range .Waiting}}{{.Name}} {{end}}'")
}

func (p *program) caRotate() *cli.Command {
	return &cli.Command{
		Name: "rotate", Usage: "Replace the CA by a new one, or by one's own",
		Description: examples("orc ca rotate", "orc ca rotate --ca-cert ca.crt --ca-key ca.key", "orc ca rotate --detach") +
			"\n\nAll nodes trust the new CA beside the old one, then get certificates of it, then forget the old one;\n" +
			"no session and no container notices. It waits for nodes that are away; `orc node rm` those that do not\n" +
			"come back. Ctrl-C ends the waiting alone. Join tokens and contexts that were made before are void when\n" +
			"it is done: `orc token worker` and `orc context create` make new ones.\n\n" +
			"One's own CA is a certificate (PEM) that may have others below it, and its key (ECDSA, not encrypted).",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ca-cert", Usage: "`FILE` of one's own CA's certificate"},
			&cli.StringFlag{Name: "ca-key", Usage: "`FILE` of its key"},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait until it is done"},
		},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			request, err := ownCA(c.String("ca-cert"), c.String("ca-key"))
			if err != nil {
				return err
			}
			view, err := cl.RotateCA(c.Context, request)
			if err != nil || c.Bool("detach") {
				return err
			}
			if view, err = p.followCA(c.Context, cl, view); err != nil {
				return err
			}
			fmt.Fprintln(p.Err, "the CA is rotated; join tokens and contexts of before are void: `orc token worker` and `orc context create` make new ones")
			if len(view.Restart) > 0 {
				fmt.Fprintln(p.Err, caRestart(view))
			}
			return nil
		}),
	}
}

// ownCA reads the files, if there are any. What is in them the manager judges.
func ownCA(certificate, key string) (request api.RotateCA, err error) {
	if (certificate == "") != (key == "") {
		return request, usagef("orc ca rotate: --ca-cert and --ca-key belong together")
	}
	if certificate == "" {
		return request, nil
	}
	if request.Certificate, err = os.ReadFile(certificate); err == nil {
		request.Key, err = os.ReadFile(key)
	}
	switch {
	case err != nil:
		return request, api.Invalidf("read the CA: %w", err)
	case len(request.Certificate) == 0 || len(request.Key) == 0:
		return request, api.Invalidf("read the CA: %s or %s is empty", certificate, key)
	}
	return request, nil
}

// answerPatience is for how long managers that do not answer are asked again.
const answerPatience = time.Minute

// followCA prints what changes until the rotation is done.
func (p *program) followCA(ctx context.Context, cl *client.Client, view api.CAView) (api.CAView, error) {
	answered := time.Now()
	for said := ""; view.Phase != api.CASettled; {
		if now := caProgress(view); now != said {
			fmt.Fprintln(p.Err, now)
			said = now
		}
		if sleep.For(ctx, keyPoll) != nil {
			return view, interrupted(progress.ErrInterrupted, "orc ca show")
		}
		next, err := cl.CAStatus(ctx)
		switch {
		case err == nil:
			view, answered = next, time.Now()
		case api.CodeOf(err) == api.CodeUnauthorized:
			return view, api.Errorf(api.CodeUnauthorized, "the old CA is forgotten, and this context's certificate was of it: %w", err)
		case api.CodeOf(err) != api.CodeUnavailable || time.Since(answered) > answerPatience:
			return view, err
		}
	}
	return view, nil
}

// caProgress says what the nodes do, how many have, and who has not.
func caProgress(view api.CAView) string {
	text := map[api.CAPhase]string{
		api.CATrust: "every node trusts the new CA too",
		api.CARenew: "every node gets a certificate of the new CA",
		api.CADrop:  "every node forgets the old CA",
	}[view.Phase]
	text += fmt.Sprintf(": %d of %d", view.Nodes-len(view.Waiting), view.Nodes)
	var there, away []string
	for _, each := range view.Waiting {
		if each.Away {
			away = append(away, each.Name)
		} else {
			there = append(there, each.Name)
		}
	}
	if len(there) > 0 {
		text += "; waiting for " + few(there)
	}
	if len(away) > 0 {
		text += "; away: " + few(away)
	}
	return text
}

// few names the first of many.
func few(names []string) string {
	const shown = 8
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

func caRestart(view api.CAView) string {
	return "The databases of " + few(view.Restart) + " trust the old CA still when they dial another manager: restart orc there, one after the other"
}
