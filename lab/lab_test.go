package lab

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	waitLong = 30 * time.Second
	tick     = 20 * time.Millisecond
)

// The nodes of these labs are shell scripts: what is tested is namespaces, links,
// processes and cleaning up.
func TestLabNetworkAndProcessesGoAwayWithoutATrace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a lab needs root")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "orc")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nsleep 1000 & exec sleep 1001\n"), 0o700))
	l, err := create(Options{Dir: dir, Name: "t", Managers: 1, Agents: 0, Binary: script})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Down(context.Background())) })
	require.NoError(t, l.makeNetwork())

	node := l.Nodes()[0]
	require.NoError(t, node.Start(t.Context()))
	require.Eventually(t, func() bool {
		found, err := node.processes()
		return err == nil && len(found) == 2
	}, waitLong, tick, "both processes of the node are found by its namespace")

	require.NoError(t, node.Kill(t.Context()))
	found, err := node.processes()
	require.NoError(t, err)
	require.Empty(t, found)

	reopened, err := Open(dir, "t")
	require.NoError(t, err)
	require.NoError(t, reopened.Down(t.Context()))
	require.NoDirExists(t, l.Dir())
	mounts, err := mountsBelow(dir)
	require.NoError(t, err)
	require.Empty(t, mounts)
}

func TestBadOptionsAreRefusedBeforeAnythingIsMade(t *testing.T) {
	for name, options := range map[string]Options{
		"no manager":  {Agents: 2},
		"too many":    {Managers: 1, Agents: 60},
		"wide subnet": {Managers: 1, Subnet: netip.MustParsePrefix("10.0.0.0/16")},
		"long name":   {Managers: 1, Name: "a-name-that-is-much-too-long"},
	} {
		t.Run(name, func(t *testing.T) {
			options.Dir, options.Binary = t.TempDir(), "/bin/true"
			_, err := create(options)
			require.Error(t, err)
			entries, err := os.ReadDir(options.Dir)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}

func TestMountinfoEscapes(t *testing.T) {
	require.Equal(t, "/a b\\c", unescape(`/a\040b\134c`))
}
