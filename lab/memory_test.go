package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOrphanInAContainersControlGroupIsKilledWithIt(t *testing.T) {
	const container = "orc-lab-test-orphan"
	group := filepath.Join("/sys/fs/cgroup/pids/orc", container)
	if _, err := os.Stat("/sys/fs/cgroup/pids"); err != nil {
		group = filepath.Join("/sys/fs/cgroup/orc", container)
	}
	if os.Geteuid() != 0 || os.MkdirAll(group, 0o700) != nil {
		t.Skip("NOT TESTED: control groups are root's")
	}
	orphan := exec.Command("sleep", "1000")
	require.NoError(t, orphan.Start())
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(orphan.Process.Pid)), 0o600))
	require.NoError(t, removeCgroups(t.Context(), container))
	require.ErrorContains(t, <-ended, "killed")
	require.NoDirExists(t, group)
}
