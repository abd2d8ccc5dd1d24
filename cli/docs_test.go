package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	inline  = regexp.MustCompile("`(orc [^`]*)`")
	comment = regexp.MustCompile(`\s+#.*|\s*[|;&>].*|\$\(.*`)
)

// TestCommandsInTheDocsCanBeTyped: every orc command that a page shows, in a block or
// within a sentence, exists and has the flags that it is shown with.
func TestCommandsInTheDocsCanBeTyped(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	app := (&program{Streams: Streams{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(string) string { return "" }}}).app()
	seen := 0
	for _, page := range append(pages, "../README.md") {
		if filepath.Base(page) == "cli.md" {
			continue // made of the commands themselves
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		block := false
		for i, line := range strings.Split(string(text), "\n") {
			var commands []string
			trimmed := strings.TrimSpace(line)
			if strings.HasPrefix(trimmed, "```") {
				block = !block
			}
			if block && strings.HasPrefix(trimmed, "orc ") {
				commands = append(commands, trimmed)
			}
			for _, match := range inline.FindAllStringSubmatch(line, -1) {
				commands = append(commands, match[1])
			}
			for _, command := range commands {
				seen++
				words := strings.Fields(comment.ReplaceAllString(command, ""))
				_, err := resolve(app, words[1:])
				assert.NoError(t, err, fmt.Sprintf("%s:%d: %s", page, i+1, command))
			}
		}
	}
	require.Greater(t, seen, 50)
}
