package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASecretsLife(t *testing.T) {
	cluster(t)
	first, second := "planted-in-a-secret-1", "planted-in-a-secret-2"
	orc(t, "secret", "create", "token", write(t, "token", first))
	t.Cleanup(func() { tryOrc(t, "secret", "rm", "token") }) // gone by then, unless the test failed
	require.Contains(t, orc(t, "secret", "ls"), "token")
	require.NotContains(t, orc(t, "secret", "inspect", "token"), "data", "the content is never shown")

	orc(t, "service", "create", "--name", "tool", "--network", "none", "--update-monitor", "1s",
		"--secret", "source=token,target=/etc/token,mode=0440,uid=5,gid=6", "standin:1.0")
	waitRunning(t, "tool", 1)
	require.Equal(t, first, orc(t, "exec", "tool.1", "cat", "/etc/token"))
	require.Equal(t, "0440 5:6 /etc/token\n", orc(t, "exec", "tool.1", "stat", "/etc/token"))
	require.NotEmpty(t, planted(t, first), "it is in the node's memory")
	require.Contains(t, refused(t, "secret", "rm", "token"), "in use by tool")

	orc(t, "secret", "update", "token", write(t, "token", second))
	eventually(t, "the service has the new content", func() error {
		got, err := tryOrc(t, "exec", "tool.1", "cat", "/etc/token")
		if err == nil && got != second {
			err = fmt.Errorf("it has %q", got)
		}
		return err
	})
	require.Contains(t, orc(t, "service", "history", "--no-trunc", "tool"), "container.secrets[/etc/token].version: 1 → 2")
	orc(t, "service", "rollback", "tool")
	waitRunning(t, "tool", 1)
	require.Equal(t, first, orc(t, "exec", "tool.1", "cat", "/etc/token"), "a rollback brings the old content back")

	orc(t, "service", "rm", "tool")
	eventually(t, "it is gone from the node with the last task", func() error {
		if left := append(planted(t, first), planted(t, second)...); len(left) > 0 {
			return fmt.Errorf("it is in %s", strings.Join(left, ", "))
		}
		return nil
	})
	orc(t, "secret", "rm", "token")
}

// planted are the files of the lab's nodes, in memory and on disk, that have a text
// in them.
func planted(t *testing.T, text string) []string {
	t.Helper()
	roots, err := filepath.Glob("/run/orc/*/c")
	require.NoError(t, err)
	for _, node := range shared.Nodes() {
		roots = append(roots, filepath.Join(filepath.Dir(node.Socket()), "agent"))
	}
	var found []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && !entry.Type().IsRegular() {
				return nil // what ends meanwhile, and FIFOs
			}
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(text)) {
				found = append(found, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		require.NoError(t, err)
	}
	return found
}
