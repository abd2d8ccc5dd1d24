package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// usageError is a command line that cannot be right; exit code 2.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// helpOf is what to type to learn more.
func helpOf(path string) string { return "see `" + path + " --help`" }

// argCount checks how many arguments a command was given; most < 0 is no limit.
func argCount(c *cli.Context, least, most int) error {
	n := c.NArg()
	if n >= least && (most < 0 || n <= most) {
		return nil
	}
	path := c.Command.HelpName
	switch {
	case n < least:
		return usagef("%s: %s is missing; %s", path, c.Command.ArgsUsage, helpOf(path))
	case most == 0:
		return usagef("%s: it takes no argument, and %q is given; %s", path, c.Args().First(), helpOf(path))
	}
	return usagef("%s: %q is one argument too many; %s", path, c.Args().Get(most), helpOf(path))
}

// nearest finds the name that was probably meant, or "": at most two letters off,
// or the one that begins with what was typed.
func nearest(typed string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		d := distance(typed, name)
		if len(typed) >= 3 && strings.HasPrefix(name, typed) {
			d = min(d, 1)
		}
		if d < least && d < max(len(name), 2) {
			best, least = name, d
		}
	}
	return best
}

// distance is Levenshtein's: how many letters to insert, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func didYouMean(typed string, names []string, prefix string) string {
	if name := nearest(typed, names); name != "" {
		return fmt.Sprintf("did you mean %s%s? ", prefix, name)
	}
	return ""
}
