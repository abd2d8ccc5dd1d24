package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var numbers = regexp.MustCompile(`\.Unix(Nano|Micro|Milli)?\(\)`)

// TestNothingMeasuresByANumberOfSeconds: a time.Time of this process measures by a
// clock that does not jump; the number of a time does not. Who needs one is listed,
// with what for.
func TestNothingMeasuresByANumberOfSeconds(t *testing.T) {
	listed := []string{
		"agent/logs/capture.go",       // a line's time in its file
		"scheduler/clock.go",          // a key for times that are equal
		"scheduler/cron.go",           // a run's number is the minute that it was due at
		"store/member/leap.go",        // a restored database's revision
		"store/member/turn.go",        // whose turn it is, all know by the time of day
		"lab/chaos/orc-chaos/main.go", // a seed
	}
	var found []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if numbers.Match(source) {
			found = append(found, path)
		}
		return nil
	}))
	slices.Sort(found)
	slices.Sort(listed)
	require.Equal(t, listed, found)
}
