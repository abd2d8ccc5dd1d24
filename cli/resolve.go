package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// call is a command line that was understood.
type call struct {
	path    string // "orc service ls"
	app     *cli.App
	command *cli.Command // nil: orc itself
	help    bool
	args    []string // as urfave/cli reads them without doubt
}

// resolve finds the command that args mean, and rewrites them: Docker's users put
// flags behind arguments and letters together (-it), which urfave/cli does not
// read. What follows the first argument of a command that runs another one
// (ArgsUsage has "[ARG…]") is left alone.
func resolve(app *cli.App, args []string) (*call, error) {
	c := &call{path: app.Name, app: app}
	flags, commands := app.Flags, app.Commands
	for {
		leaf := len(commands) == 0
		through := leaf && !strings.Contains(c.command.ArgsUsage, "[ARG…]")
		parsed, err := parse(c.path, flags, args, through)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, parsed.flags...)
		switch {
		case parsed.help, !leaf && len(parsed.rest) == 0:
			c.help = true
			return c, nil
		case leaf:
			if err := nothingEmpty(c.path, c.command.ArgsUsage, parsed.rest); err != nil {
				return nil, err
			}
			c.args = append(append(c.args, "--"), parsed.rest...)
			return c, nil
		}
		name := parsed.rest[0]
		next := find(commands, name)
		if next == nil {
			if name == "help" {
				args = append(parsed.rest[1:], "--help")
				continue
			}
			return nil, usagef("%s: there is no command %q; %s%s", c.path, name, didYouMean(name, names(commands), ""), helpOf(c.path))
		}
		c.path, c.command = c.path+" "+next.Name, next
		c.args = append(c.args, next.Name)
		flags, commands, args = next.Flags, next.Subcommands, parsed.rest[1:]
	}
}

// nothingEmpty refuses an argument that a shell made of a variable without a value: what
// it was to name may be anything. What a command hands on to another one may be empty.
func nothingEmpty(path, usage string, args []string) error {
	words := strings.Fields(usage)
	for i, arg := range args {
		if arg != "" || len(words) == 0 {
			continue
		}
		word := words[min(i, len(words)-1)]
		if word == "[ARG…]" {
			return nil
		}
		return usagef("%s: %s is empty; %s", path, strings.Trim(word, "[]…"), helpOf(path))
	}
	return nil
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, command := range commands {
		if command.HasName(name) {
			return command
		}
	}
	return nil
}

func names(commands []*cli.Command) []string {
	var all []string
	for _, command := range commands {
		if !command.Hidden {
			all = append(all, command.Names()...)
		}
	}
	return all
}

type parsedArgs struct {
	flags, rest []string
	help        bool
}

// parse takes the flags out of args, up to the first argument or, through, up to
// the end or "--".
func parse(path string, flags []cli.Flag, args []string, through bool) (parsed parsedArgs, err error) {
	for len(args) > 0 && err == nil {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			parsed.rest = append(parsed.rest, args...)
			return parsed, nil
		case strings.HasPrefix(arg, "--"):
			args, err = parsed.long(path, flags, arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = parsed.short(path, flags, arg[1:], args)
		default:
			parsed.rest = append(parsed.rest, arg)
			if !through {
				parsed.rest = append(parsed.rest, args...)
				return parsed, nil
			}
		}
	}
	return parsed, err
}

func (p *parsedArgs) long(path string, flags []cli.Flag, text string, args []string) ([]string, error) {
	name, value, given := strings.Cut(text, "=")
	flag := findFlag(flags, name)
	switch {
	case flag == nil && name == "help":
		p.help = true
		return args, nil
	case flag == nil:
		return nil, usagef("%s: there is no flag --%s; %s%s", path, name, didYouMean(name, flagNames(flags), "--"), helpOf(path))
	case !given && isBool(flag):
		value = "true"
	case !given && len(args) == 0:
		return nil, usagef("%s: --%s needs a value; %s", path, name, helpOf(path))
	case !given:
		value, args = args[0], args[1:]
	}
	return args, p.add(path, flag, "--"+name, value)
}

// short reads letters together: -it, -n5, -n 5, -n=5.
func (p *parsedArgs) short(path string, flags []cli.Flag, letters string, args []string) ([]string, error) {
	for letters != "" {
		name := letters[:1]
		letters = letters[1:]
		flag := findFlag(flags, name)
		switch {
		case flag == nil && name == "h":
			p.help = true
			continue
		case flag == nil:
			return nil, usagef("%s: there is no flag -%s; %s", path, name, helpOf(path))
		}
		value := "true"
		if isBool(flag) {
			if rest, ok := strings.CutPrefix(letters, "="); ok {
				value, letters = rest, ""
			}
		} else {
			value, letters = strings.TrimPrefix(letters, "="), ""
			if value == "" {
				if len(args) == 0 {
					return nil, usagef("%s: -%s needs a value; %s", path, name, helpOf(path))
				}
				value, args = args[0], args[1:]
			}
		}
		if err := p.add(path, flag, "-"+name, value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (p *parsedArgs) add(path string, flag cli.Flag, as, value string) error {
	wanted, err := "", error(nil)
	switch flag.(type) {
	case *cli.BoolFlag:
		wanted = "true or false"
		_, err = strconv.ParseBool(value)
	case *cli.IntFlag:
		wanted = "a number"
		_, err = strconv.Atoi(value)
	case *cli.Float64Flag:
		wanted = "a number"
		_, err = strconv.ParseFloat(value, 64)
	case *cli.DurationFlag:
		wanted = "a time such as 10s or 1m30s"
		_, err = time.ParseDuration(value)
	}
	if err != nil {
		return usagef("%s: %s %q: want %s", path, as, value, wanted)
	}
	p.flags = append(p.flags, "--"+flag.Names()[0]+"="+value)
	return nil
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, flag := range flags {
		for _, each := range flag.Names() {
			if each == name {
				return flag
			}
		}
	}
	return nil
}

func flagNames(flags []cli.Flag) []string {
	var all []string
	for _, flag := range flags {
		all = append(all, flag.Names()[0])
	}
	return all
}

func isBool(flag cli.Flag) bool {
	_, ok := flag.(*cli.BoolFlag)
	return ok
}
