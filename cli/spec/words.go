package spec

import (
	"github.com/mattn/go-shellwords"

	"github.com/orc-project/orc/api"
)

// Words splits a command line as a shell does, without running or expanding
// anything. what begins the error.
func Words(what, text string) ([]string, error) {
	parser := shellwords.NewParser()
	words, err := parser.Parse(text)
	if err != nil || parser.Position >= 0 {
		return nil, api.Invalidf("%s %q: the quotes do not end, or it has more than one command", what, text)
	}
	return words, nil
}
