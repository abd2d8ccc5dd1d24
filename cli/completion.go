package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
)

// scripts make shells ask `orc __complete WORDS…`, whose last word is the one
// that is being typed.
var scripts = map[string]string{
	"bash": `_orc() {
  local IFS=$'\n'
  COMPREPLY=($(orc __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default
}
complete -F _orc orc
`,
	"zsh": `#compdef orc
_orc() {
  local -a found
  found=("${(@f)$(orc __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _orc orc
`,
	"fish": `function __orc_complete
  set -l words (commandline -opc) (commandline -ct)
  orc __complete $words[2..-1] 2>/dev/null
end
complete -c orc -n 'count (__orc_complete) >/dev/null' -f -a '(__orc_complete)'
`,
}

func (p *program) completion() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "Print the completion script of a shell", ArgsUsage: "bash|zsh|fish",
		Description: examples("source <(orc completion bash)", "orc completion zsh >~/.zfunc/_orc", "orc completion fish | source") +
			"\n\nIt completes commands, flags, and the names of what the manager has.",
		Action: func(c *cli.Context) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			script, known := scripts[c.Args().First()]
			if !known {
				return usagef("orc completion: %q: want %s", api.Brief(c.Args().First()), strings.Join(slices.Sorted(maps.Keys(scripts)), ", "))
			}
			_, err := fmt.Fprint(p.Out, script)
			return err
		},
	}
}

// complete prints what the last word could become.
func (p *program) complete(ctx context.Context, words []string) error {
	typed := ""
	if len(words) > 0 {
		typed, words = words[len(words)-1], words[:len(words)-1]
	}
	candidates, noun, global := completions(p.app(), words, typed)
	if noun != "" {
		candidates = p.names(ctx, noun, global)
	}
	slices.Sort(candidates)
	for _, word := range slices.Compact(candidates) {
		if !strings.HasPrefix(word, typed) {
			continue
		}
		if _, err := fmt.Fprintln(p.Out, word); err != nil {
			return err
		}
	}
	return nil
}

// completions are the flags or commands that may follow the words. Where a name is
// wanted instead it returns the noun, and the words before the command, which say
// whom to ask.
func completions(app *cli.App, words []string, typed string) (candidates []string, noun string, global []string) {
	flags, commands := app.Flags, app.Commands
	var leaf *cli.Command
	given := 0 // arguments of it
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.HasPrefix(word, "-") {
			flag := findFlag(flags, strings.TrimLeft(word, "-"))
			if flag != nil && !isBool(flag) && !strings.Contains(word, "=") {
				if i == len(words)-1 {
					return nil, valueNoun(flag), global
				}
				i++
			}
			continue
		}
		if next := find(commands, word); next != nil {
			if global == nil {
				global = words[:i:i]
			}
			flags, commands, leaf = next.Flags, next.Subcommands, next
			continue
		}
		given++
	}
	if strings.HasPrefix(typed, "-") {
		for _, flag := range flags {
			if visible, can := flag.(cli.VisibleFlag); !can || visible.IsVisible() {
				candidates = append(candidates, "--"+flag.Names()[0])
			}
		}
		candidates = append(candidates, "--help")
	} else {
		for _, command := range commands {
			if !command.Hidden {
				candidates = append(candidates, command.Name)
			}
		}
		if len(commands) == 0 && leaf != nil {
			noun = argumentNoun(leaf, given)
		}
	}
	return candidates, noun, global
}
