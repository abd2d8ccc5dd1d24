package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
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
		return usagef("%s: it takes no argument, and %q is given; %s", path, api.Brief(c.Args().First()), helpOf(path))
	}
	return usagef("%s: %q is one argument too many; %s", path, api.Brief(c.Args().Get(most)), helpOf(path))
}

// noneOf is the error of a name that may be of several kinds, and that nothing of any
// has. errs are those of each kind, the likeliest first; the first that knows what was
// probably meant says so.
func noneOf(kinds, ref, hint string, errs ...error) error {
	var near []string
	for _, err := range errs {
		var missing *api.Error
		if errors.As(err, &missing) && missing.Near != "" {
			near = []string{missing.Near}
			break
		}
	}
	return api.NoSuch(kinds, ref, near, hint)
}

func didYouMean(typed string, names []string, prefix string) string {
	if name := api.Nearest(typed, names); name != "" {
		return fmt.Sprintf("did you mean %s%s? ", prefix, name)
	}
	return ""
}
