package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// Leaf is a command that does something: its words without "orc", and what follows them.
type Leaf struct {
	Words []string
	Takes string
}

// Leaves are all of orc's.
func Leaves() []Leaf {
	var leaves []Leaf
	var walk func(words []string, commands []*ucli.Command)
	walk = func(words []string, commands []*ucli.Command) {
		for _, command := range commands {
			path := append(words[:len(words):len(words)], command.Name)
			if len(command.Subcommands) == 0 {
				leaves = append(leaves, Leaf{path, command.ArgsUsage})
			}
			walk(path, command.Subcommands)
		}
	}
	walk(nil, (&program{Streams: Streams{Getenv: func(string) string { return "" }}}).app().Commands)
	return leaves
}

// Path is the command's as help has it.
func (l Leaf) Path() string { return "orc " + strings.Join(l.Words, " ") }
