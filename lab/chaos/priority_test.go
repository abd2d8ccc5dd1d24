package chaos

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheSuiteStartsGoesFirst(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a higher priority is root's to give")
	}
	require.NoError(t, goFirst())
	for range 20 { // from whichever thread
		text, err := exec.Command("nice").Output()
		require.NoError(t, err)
		require.Equal(t, "-10", strings.TrimSpace(string(text)))
	}
}
