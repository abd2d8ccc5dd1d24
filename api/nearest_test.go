package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	names := []string{"create", "image", "inspect", "ls", "replicas", "rm", "update"}
	for typed, want := range map[string]string{
		"imagee": "image", "replica": "replicas", "crate": "create", "insp": "inspect", "lss": "ls", "upadte": "update",
		"": "", "x": "", "volume": "", "is": "ls", "clock": "demo_clock", "demo_clok": "demo_clock", "democlocks": "demo_clock", "_clock": "",
	} {
		require.Equal(t, want, Nearest(typed, append(names, "demo_clock")), typed)
	}
}

func TestWhatThereIsNotIsNamedSoThatATerminalCanShowIt(t *testing.T) {
	for ref, want := range map[string]string{
		"clok":                    "there is no service clok: did you mean clock?",
		"nginx":                   "there is no service nginx: look at the list",
		"":                        `there is no service "": look at the list`,
		"a b":                     `there is no service "a b": look at the list`,
		"a\x1b[2J\n":              `there is no service "a\x1b[2J\n": look at the list`,
		"a\xff":                   `there is no service "a\xff": look at the list`,
		strings.Repeat("ä", 5000): "there is no service " + strings.Repeat("ä", 79) + "…: look at the list",
	} {
		err := NoSuch("service", ref, []string{"clock", "web"}, "look at the list")
		require.Equal(t, want, err.Message)
		require.Equal(t, CodeNotFound, err.Code)
		require.Equal(t, ref == "clok", err.Near != "")
	}
}
