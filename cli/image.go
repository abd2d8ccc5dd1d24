package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) image() *cli.Command {
	return &cli.Command{
		Name: "image", Usage: "manage the images that were loaded into the cluster",
		Subcommands: []*cli.Command{
			p.imageLoad(),
			lister(p, "orc image", "List the images that were loaded", imageListing(time.Now()), func(ctx context.Context, cl *client.Client) ([]api.Image, error) { return cl.Images(ctx) }),
			remover(p, "orc image", "image", nil, func(c *cli.Context, cl *client.Client, ref string) error { return cl.RemoveImage(c.Context, ref) }),
		},
	}
}

func imageListing(now time.Time) listing[api.Image] {
	return listing[api.Image]{
		List: output.List[api.Image]{
			ID: func(i api.Image) string { return i.ID },
			Columns: []output.Column[api.Image]{
				{Name: "Repository", Header: "REPOSITORY", Value: func(i api.Image) string { return repository(i.Name) }, Full: func(i api.Image) string { return i.Name }, Shrink: true},
				{Name: "Tag", Header: "TAG", Value: func(i api.Image) string { return tagOf(i.Name) }},
				{Name: "Digest", Header: "DIGEST", Value: func(i api.Image) string { return output.Cut(i.Digest, 20) }, Full: func(i api.Image) string { return i.Digest }},
				{Name: "CreatedSince", Header: "LOADED", Value: func(i api.Image) string { return output.Ago(now, i.Updated) }},
				{Name: "Size", Header: "SIZE", Value: func(i api.Image) string { return output.Size(i.Size) }},
				{Name: "ID", Value: func(i api.Image) string { return i.ID }},
			},
		},
		filters: filters[api.Image]{
			"reference": func(i api.Image, v string) bool { return strings.Contains(i.Name, v) },
		},
	}
}

// repository is an image's name as people write it, without its tag.
func repository(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		name = name[:at]
	}
	return name
}

func tagOf(name string) string {
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[at+1:]
	}
	return ""
}

func (p *program) imageLoad() *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "Put an image archive on every node", ArgsUsage: "FILE|-",
		Description: examples("orc image load web.tar", "docker save web:1.0 | orc image load -") +
			"\n\nThe archive is what `docker save` makes, or an OCI image layout, also gzipped.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "input", Hidden: true, Aliases: []string{"i"}},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the images' names"},
		},
		Action: p.with(p.loadImages),
	}
}

func (p *program) loadImages(c *cli.Context, cl *client.Client) (err error) {
	name := c.String("input")
	if name == "" {
		if err := argCount(c, 1, 1); err != nil {
			return err
		}
		name = c.Args().First()
	}
	var archive io.Reader = p.In
	var size int64
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return api.Invalidf("image archive: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return fmt.Errorf("image archive: %w", err)
		}
		if !info.Mode().IsRegular() && info.IsDir() {
			return api.Invalidf("image archive %s: it is a directory", name)
		}
		archive, size = file, info.Size()
	}
	var failed []error
	for line, err := range cl.LoadImages(c.Context, archive, size) {
		if err != nil {
			return err
		}
		if failure := p.loadLine(c, line); failure != nil {
			failed = append(failed, failure)
		}
	}
	return together(failed)
}

// loadLine shows one line of a load's progress; a node that failed is an error.
func (p *program) loadLine(c *cli.Context, line api.LoadProgress) error {
	switch line.State {
	case api.LoadLoaded:
		if !c.Bool("quiet") {
			fmt.Fprintf(p.Err, "%s: loaded\n", line.NodeName)
		}
	case api.LoadFailed:
		return errors.New("node " + line.NodeName + ": " + line.Message)
	case api.LoadDone:
		for _, image := range line.Images {
			name := repository(image.Name) + ":" + tagOf(image.Name)
			if !c.Bool("quiet") {
				name = "Loaded image: " + name
			}
			fmt.Fprintln(p.Out, name)
		}
	}
	return nil
}
