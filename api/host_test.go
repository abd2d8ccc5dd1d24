package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitHost(t *testing.T) {
	for text, want := range map[string][2]string{
		"db:10.0.0.7":             {"db", "10.0.0.7"},
		"db=10.0.0.7":             {"db", "10.0.0.7"},
		"six:FD00::1":             {"six", "fd00::1"},
		"six=[fd00::1]":           {"six", "fd00::1"},
		"node:host-gateway":       {"node", HostGateway},
		"db.example.com:10.1.1.1": {"db.example.com", "10.1.1.1"},
	} {
		name, address, err := SplitHost(text)
		require.NoError(t, err, text)
		require.Equal(t, want, [2]string{name, address})
	}
	for _, text := range []string{"", "db", ":10.0.0.7", "db:", "db:10.0.0", "a b:10.0.0.7", "db:10.0.0.7 x", "db:[fd00::1", "db:fd00::1]", "a\n:10.0.0.7", "db:host"} {
		_, _, err := SplitHost(text)
		require.Equal(t, CodeInvalid, CodeOf(err), text)
	}
}
