package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheLifeOfAService tells the stories in testdata/life, one after the other: some
// change nodes.
func TestTheLifeOfAService(t *testing.T) {
	lab := cluster(t)
	stories, err := filepath.Glob("testdata/life/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, stories)
	for _, story := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(story), ".txtar"), func(t *testing.T) {
			t.Cleanup(func() { cleanUp(t) })
			tell(t, lab, story)
		})
	}
}
