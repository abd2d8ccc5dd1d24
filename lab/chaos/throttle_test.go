package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAThrottledProcessHasItsQuotaAndNoMore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: control groups are root's")
	}
	hog := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, hog.Start())
	t.Cleanup(func() { require.NoError(t, unthrottle(context.Background(), "t")) })
	t.Cleanup(func() {
		require.NoError(t, hog.Process.Kill())
		hog.Wait()
	})
	if err := throttle("t", hog.Process.Pid); err != nil {
		t.Skipf("NOT TESTED: the kernel has no quotas: %v", err)
	}
	require.Eventually(t, func() bool {
		for _, each := range controllers {
			if stat, err := os.ReadFile(filepath.Join(each.group("t"), "cpu.stat")); err == nil {
				return regexp.MustCompile(`nr_throttled [1-9]`).Match(stat)
			}
		}
		return false
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, unthrottle(t.Context(), "t"))
	require.NoDirExists(t, controllers[0].group("t"))
	require.NoDirExists(t, controllers[1].group("t"))
	require.NoError(t, unthrottle(t.Context(), "t"), "there is nothing to do")
}
