package cli

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

func (p *program) serviceHistory() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "List the revisions of a service", ArgsUsage: "SERVICE",
		Description: examples("orc service history web", "orc service history --no-trunc web"),
		Flags:       listFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			revisions, err := cl.ServiceRevisions(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			return revisionListing(time.Now(), true).show(p, c, revisions)
		}),
	}
}

// revisionListing lists revisions of a service or, without image, of an app.
func revisionListing(now time.Time, image bool) listing[api.RevisionView] {
	changes := func(r api.RevisionView) string { return strings.Join(r.Changes, "; ") }
	brief := func(r api.RevisionView) string { return output.Cut(strings.Join(changesInBrief(r.Changes), "; "), 80) }
	columns := []output.Column[api.RevisionView]{
		{Name: "Revision", Header: "REVISION", Value: func(r api.RevisionView) string { return strconv.Itoa(r.Number) + mark(r.Current) }},
		{Name: "Created", Header: "CREATED", Value: func(r api.RevisionView) string { return output.Ago(now, r.Created) }},
		{Name: "Changes", Header: "CHANGES", Value: brief, Full: changes, Shrink: true},
	}
	if image {
		columns = append(columns[:2:2], append([]output.Column[api.RevisionView]{
			{Name: "Image", Header: "IMAGE", Value: func(r api.RevisionView) string { return r.Image }, Shrink: true, Tail: true, Spare: 1},
		}, columns[2])...)
	}
	return listing[api.RevisionView]{
		List: output.List[api.RevisionView]{ID: func(r api.RevisionView) string { return strconv.Itoa(r.Number) }, Columns: columns},
		filters: filters[api.RevisionView]{
			"revision": func(r api.RevisionView, v string) bool { return strconv.Itoa(r.Number) == v },
		},
	}
}

var (
	digestField = regexp.MustCompile(`(^|[.\]])digest: `)
	longDigest  = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)
)

// changesInBrief begins with what a person changed: the digests, which follow from
// that, come last and are shortened.
func changesInBrief(changes []string) []string {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b string) int {
		switch first, second := digestField.MatchString(a), digestField.MatchString(b); {
		case first == second:
			return 0
		case first:
			return 1
		}
		return -1
	})
	for i, change := range sorted {
		sorted[i] = longDigest.ReplaceAllString(change, "$1…")
	}
	return sorted
}

func mark(current bool) string {
	if current {
		return " *"
	}
	return ""
}
