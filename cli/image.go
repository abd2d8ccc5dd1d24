package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) image() *cli.Command {
	return &cli.Command{
		Name: "image", Usage: "manage the images of the cluster and its nodes",
		Subcommands: []*cli.Command{
			p.imageLoad(),
			p.imageLs(),
			remover(p, "orc image", "image", []cli.Flag{
				&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "also when a service uses it; nodes keep it while a task needs it"},
			}, func(c *cli.Context, cl *client.Client, ref string) error {
				removed, err := cl.RemoveImage(c.Context, ref, c.Bool("force"))
				p.untouched(removed)
				return err
			}),
			p.pruner(pruning{
				path: "orc image", usage: "Remove images that no task needs from the nodes", what: api.PruneRequest{Images: true},
				all: "also images that were loaded, and those that only a rollback would need",
			}),
		},
	}
}

func (p *program) imageLs() *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List the images that were loaded or that nodes have",
		Description: examples("orc image ls", "orc image ls --node n2", "orc image ls --filter used=false"),
		Flags:       listFlags(nodeFlag("list")),
		Action:      showHeld(p, imageListing, (*client.Client).Images),
	}
}

func imageListing(now time.Time) listing[api.ImageView] {
	return listing[api.ImageView]{
		List: output.List[api.ImageView]{
			ID: func(i api.ImageView) string { return cmp.Or(i.ID, i.Digest) },
			Columns: []output.Column[api.ImageView]{
				{Name: "Repository", Header: "REPOSITORY", Value: func(i api.ImageView) string { return repository(i.Name) }, Full: func(i api.ImageView) string { return i.Name }, Shrink: true, Tail: true},
				{Name: "Tag", Header: "TAG", Value: func(i api.ImageView) string { return tagOf(i.Name) }, Shrink: true, Tail: true},
				{Name: "Digest", Header: "DIGEST", Value: func(i api.ImageView) string { return output.Cut(i.Digest, 20) }, Full: func(i api.ImageView) string { return i.Digest }, Spare: 3},
				{Name: "Nodes", Header: "NODES", Value: imageNodes, Shrink: true},
				{Name: "UsedBy", Header: "USED BY", Value: func(i api.ImageView) string { return strings.Join(i.UsedBy, ",") }, Shrink: true, Spare: 1},
				{Name: "CreatedSince", Header: "CREATED", Value: func(i api.ImageView) string { return output.Ago(now, i.Updated) }, Spare: 2},
				{Name: "Size", Header: "SIZE", Value: func(i api.ImageView) string { return output.Size(i.Size) }},
				{Name: "Loaded", Value: func(i api.ImageView) string { return strconv.FormatBool(i.ID != "") }},
				{Name: "ID", Value: func(i api.ImageView) string { return i.ID }},
			},
		},
		filters: filters[api.ImageView]{
			"reference": func(i api.ImageView, v string) bool { return strings.Contains(i.Name, v) },
			"loaded":    func(i api.ImageView, v string) bool { return strconv.FormatBool(i.ID != "") == v },
			"used":      func(i api.ImageView, v string) bool { return strconv.FormatBool(imageUsed(i)) == v },
		},
	}
}

func imageNodes(i api.ImageView) string {
	var names []string
	for _, at := range i.Nodes {
		names = append(names, at.NodeName)
	}
	return strings.Join(names, ",")
}

func imageUsed(i api.ImageView) bool {
	return len(i.UsedBy) > 0 || slices.ContainsFunc(i.Nodes, func(at api.NodeImage) bool { return at.InUse })
}

// shortName is an image's name as people write it.
func shortName(name string) string {
	return strings.TrimSuffix(repository(name)+":"+tagOf(name), ":")
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
			var plain *os.PathError
			if errors.As(err, &plain) {
				err = plain.Err
			}
			return api.Invalidf("image archive %s: %w", api.Quoted(name), err)
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
