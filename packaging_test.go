package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnitsKeepContainersAndStartAgain: what the units must have so that stopping orc
// stops no container, and so that systemd never gives orc up (by default it does after
// five starts within ten seconds, which a full disk takes no longer for).
func TestUnitsKeepContainersAndStartAgain(t *testing.T) {
	units, err := filepath.Glob("packaging/*.service")
	require.NoError(t, err)
	require.Len(t, units, 2)
	var bodies []string
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		require.NoError(t, err)
		section, body := "", ""
		has := make(map[string]string) // [Section] Key → value
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			key, value, isSetting := strings.Cut(line, "=")
			switch {
			case strings.HasPrefix(line, "["):
				section = line
			case isSetting && !strings.HasPrefix(line, "#"):
				has[section+" "+key] = value
				if key != "ExecStart" && key != "Description" {
					body += line + "\n"
				}
			}
		}
		for key, want := range map[string]string{
			"[Unit] StartLimitIntervalSec": "0", "[Service] Restart": "always", "[Service] KillMode": "process", "[Service] Delegate": "yes",
			"[Service] Type": "notify",
		} {
			require.Equal(t, want, has[key], "%s: %s", unit, key)
		}
		bodies = append(bodies, body)
	}
	require.Equal(t, bodies[0], bodies[1], "the units differ only in what they start")
}
