package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func someAssignments() (set assignments, a, b wire.Assignment) {
	a = wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "a"}, Service: "s", Revision: 1, Desired: api.DesiredRun}}
	b = wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "b"}, Service: "s", Revision: 2, Desired: api.DesiredShutdown}}
	secret := api.FileReference{Source: "key", ID: "k", Version: 3}
	set = assignments{}.apply(wire.Down{
		Full: true, Tasks: []wire.Assignment{a, b},
		Specs: map[string]api.ServiceSpec{
			a.SpecID(): {Container: api.ContainerSpec{Secrets: []api.FileReference{secret}, Env: []string{"A=1"}}}, b.SpecID(): {},
		},
		Files: map[string][]byte{wire.FileID(secret): []byte("opens it")},
	})
	return set, a, b
}

func TestAMessageMakesANewSet(t *testing.T) {
	set, a, b := someAssignments()
	require.Equal(t, []goal{goalRun, goalEnd, goalGone}, []goal{set.goal("a"), set.goal("b"), set.goal("c")})
	require.Equal(t, []string{"A=1"}, set.assigned("a").spec.Container.Env)

	removed := set.apply(wire.Down{Removed: []string{"a"}})
	require.Equal(t, goalGone, removed.goal("a"))
	require.NotContains(t, removed.Specs, a.SpecID(), "specs go with their last task")
	require.Empty(t, removed.Files, "and so do secrets")
	require.Equal(t, goalRun, set.goal("a"), "the set itself stays")

	ahead := removed.apply(wire.Down{Specs: map[string]api.ServiceSpec{a.SpecID(): {}}})
	require.Contains(t, ahead.Specs, a.SpecID(), "it comes ahead of its task")
	complete := ahead.apply(wire.Down{Full: true, Tasks: []wire.Assignment{a}})
	require.NotNil(t, complete.assigned("a").spec)
	require.Equal(t, goalGone, complete.goal("b"))
	require.NotContains(t, complete.Specs, b.SpecID())
}

func TestSecretsAreNotWrittenToDiskAndNobodyElseMayRead(t *testing.T) {
	set, _, _ := someAssignments()
	path := filepath.Join(t.TempDir(), "assignments")
	require.NoError(t, set.save(path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(data), "opens it")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	var again assignments
	require.NoError(t, again.load(path))
	require.Equal(t, set.Tasks, again.Tasks)
}

// FuzzDecodeAssignments gives the decoder contents whose checksum has been checked.
func FuzzDecodeAssignments(f *testing.F) {
	set, _, _ := someAssignments()
	body, err := wire.Marshal(set)
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var decoded assignments
		if wire.Unmarshal(body, &decoded) != nil {
			return
		}
		for id := range decoded.Tasks {
			decoded.assigned(id)
			decoded.goal(id)
		}
		decoded.apply(wire.Down{Removed: []string{"a"}})
	})
}
