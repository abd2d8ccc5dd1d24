package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestARefusedWriteSaysThatNothingWasWritten(t *testing.T) {
	m := newManager(t)
	create := func(name string) error {
		_, err := m.client.CreateConfig(m.ctx, api.FileSpec{Name: name, Data: []byte("x")})
		return err
	}
	update := func(version int64) error {
		spec := api.ServiceSpec{Name: "web", Container: api.ContainerSpec{Image: "web:1"}}
		_, err := m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{Spec: spec, Version: version, NoResolve: true})
		return err
	}
	require.NoError(t, create("c"))
	for name, c := range map[string]struct {
		err  error
		code api.Code
	}{
		"a name that is taken": {create("c"), api.CodeConflict},
		"a name that is none":  {create("-"), api.CodeInvalid},
		"a removal of nothing": {m.client.RemoveConfig(m.ctx, "no-such"), api.CodeNotFound},
		"an update of nothing": {update(0), api.CodeNotFound},
	} {
		requireCode(t, c.code, c.err)
		require.Equal(t, api.ReasonUnwritten, api.ReasonOf(c.err), name)
	}
	m.create("web", 1)
	err := update(1)
	requireCode(t, api.CodeConflict, err)
	require.Equal(t, api.ReasonUnwritten, api.ReasonOf(err), "another version")
}

// What nodes have done, a commit that was refused does not undo.
func TestARefusalOfWhatIsBegunDoesNotSaySo(t *testing.T) {
	refused := api.Errorf(api.CodeUnavailable, "no quorum").Because(api.ReasonUnwritten)
	require.Empty(t, api.ReasonOf(begun(refused)))
	require.Equal(t, api.CodeUnavailable, api.CodeOf(begun(refused)))
	require.Equal(t, api.ReasonUnwritten, refused.Reason, "it is another's")
	require.NoError(t, begun(nil))
}
