package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestTheDoctorShowsAllAndFailsWhenSomethingDoesNotWork(t *testing.T) {
	f := newFake(t)
	found := []api.Finding{
		{NodeName: "n1", Subject: "clock", Level: api.LevelOK, Message: "agrees"},
		{NodeName: "n2", Subject: "overlay", Level: api.LevelProblem, Message: "n1 does not answer"},
	}
	f.on("GET /v1/doctor", found)
	code, out, errors := f.orc("doctor", "--format", "{{.Node}} {{.Level}} {{.Subject}}: {{.Message}}")
	require.Equal(t, 1, code)
	require.Equal(t, "n1 ok clock: agrees\nn2 problem overlay: n1 does not answer\n", out)
	require.Contains(t, errors, "something does not work")

	healthy := newFake(t)
	healthy.on("GET /v1/doctor", found[:1])
	require.Contains(t, healthy.ok("doctor"), "agrees")
}
