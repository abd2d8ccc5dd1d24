package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var target = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

func TestEveryFuzzTargetIsListed(t *testing.T) {
	text, err := os.ReadFile("docs/testing.md")
	require.NoError(t, err)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range target.FindAllStringSubmatch(string(source), -1) {
			found++
			listed := regexp.MustCompile("`" + filepath.Dir(path) + "` [^;|]*`" + match[1] + "`")
			require.True(t, listed.Match(text), "docs/testing.md does not list %s of %s", match[1], filepath.Dir(path))
		}
		return nil
	}))
	require.Greater(t, found, 30)
}
