package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListsAreComparedByTheirElements(t *testing.T) {
	files := func(version int, rest ...FileReference) ServiceSpec {
		return ServiceSpec{Container: ContainerSpec{Secrets: append([]FileReference{{Source: "key", Target: "/run/secrets/key", Version: version}}, rest...)}}
	}
	ports := func(ports ...Port) ServiceSpec { return ServiceSpec{Ports: ports} }
	args := func(args ...string) ServiceSpec { return ServiceSpec{Container: ContainerSpec{Args: args}} }
	for name, test := range map[string]struct {
		before, after ServiceSpec
		want          []string
	}{
		"a field of one": {files(1), files(2), []string{"container.secrets[/run/secrets/key].version: 1 → 2"}},
		"one more": {files(1), files(1, FileReference{Source: "b"}), []string{
			`container.secrets[b]: (none) → {"source":"b"}`,
		}},
		"all of them": {ServiceSpec{}, ServiceSpec{Networks: []NetworkAttachment{{Network: "n"}}}, []string{`networks[n]: (none) → {"network":"n"}`}},
		"the order": {ports(Port{Target: 1}, Port{Target: 2}), ports(Port{Target: 2}, Port{Target: 1}), []string{
			`ports: [{"mode":"","protocol":"","target":1},{"mode":"","protocol":"","target":2}] → [{"mode":"","protocol":"","target":2},{"mode":"","protocol":"","target":1}]`,
		}},
		"alike ones": {ports(Port{Target: 1, Protocol: "tcp"}, Port{Target: 1, Protocol: "udp"}), ports(Port{Target: 1, Protocol: "tcp"}), []string{
			`ports: [{"mode":"","protocol":"tcp","target":1},{"mode":"","protocol":"udp","target":1}] → [{"mode":"","protocol":"tcp","target":1}]`,
		}},
		"texts": {args("a"), args("b"), []string{`container.args: ["a"] → ["b"]`}},
	} {
		require.Equal(t, test.want, DiffSpec(test.before, test.after), name)
	}
}
