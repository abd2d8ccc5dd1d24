package deploy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestWhatNoNodeCanEverGiveIsRefused(t *testing.T) {
	port := func(spec *api.ServiceSpec) {
		spec.Ports = []api.Port{{Target: 80, Published: 8080, Mode: "host"}}
		spec.Update.Order = api.StartFirst
	}
	mount := func(spec *api.ServiceSpec) {
		spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
	}
	for name, test := range map[string]struct {
		edit     func(*api.ServiceSpec)
		replicas int
		refused  string
		warning  string
	}{
		"start-first with room":           {port, 1, "", ""},
		"start-first on every node":       {port, 2, "each of the 2 nodes that it can run on has host port 8080", ""},
		"start-first on the only node":    {func(s *api.ServiceSpec) { port(s); s.Placement.Constraints = []string{"node.hostname==n1"} }, 1, "of n1, the only node", ""},
		"start-first without a task":      {func(s *api.ServiceSpec) { port(s); s.Placement.Constraints = []string{"node.hostname==n1"} }, 0, "", ""},
		"start-first of a global service": {func(s *api.ServiceSpec) { port(s); s.Mode = api.ModeGlobal }, -1, "use stop-first", ""},
		"stop-first on every node":        {func(s *api.ServiceSpec) { port(s); s.Update.Order = api.StopFirst }, 2, "", ""},
		"start-first, ingress":            {func(s *api.ServiceSpec) { port(s); s.Ports[0].Mode, s.Ports[0].Published = "ingress", 0 }, 2, "", ""},
		"where its volume is":             {func(s *api.ServiceSpec) { mount(s); s.Placement.Constraints = []string{"node.hostname==n1"} }, 1, "", ""},
		"where its volume is not":         {func(s *api.ServiceSpec) { mount(s); s.Placement.Constraints = []string{"node.hostname==n2"} }, 1, "volume data is on n1", ""},
		"where no node is":                {func(s *api.ServiceSpec) { mount(s); s.Placement.Constraints = []string{"node.hostname==n9"} }, 1, "", ""},
		"a shared volume anywhere": {func(s *api.ServiceSpec) {
			mount(s)
			s.Container.Mounts[0].Options = map[string]string{"type": "nfs", "device": ":/srv"}
			s.Placement.Constraints = []string{"node.hostname==n2"}
		}, 2, "", ""},
		"replicas of local data": {mount, 2, "", "each of its 2 tasks has data of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			tx := &store.Tx{}
			for _, id := range []string{"n1", "n2"} {
				tx.Set(&api.Node{Meta: api.Meta{ID: id}, Name: id, Runs: true})
			}
			tx.Set(&api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeDown, Info: api.NodeInfo{Volumes: []string{"data"}}})
			tx.Set(&api.NodeStatus{Meta: api.Meta{ID: "n2"}, State: api.NodeReady})
			_, err := s.Commit(t.Context(), tx)
			require.NoError(t, err)

			wanted := spec("web")
			if test.replicas >= 0 {
				wanted.Replicas = &test.replicas
			}
			test.edit(&wanted)
			draft, _, err := Commit(t.Context(), s, func(d *Draft) error {
				_, err := d.CreateService(wanted)
				return err
			})
			if test.refused != "" {
				require.ErrorContains(t, err, test.refused)
				require.Equal(t, api.CodeInvalid, api.CodeOf(err))
				require.NotContains(t, err.Error(), "\n")
				return
			}
			require.NoError(t, err)
			if test.warning == "" {
				require.NotContains(t, strings.Join(draft.Warnings, " "), "volume")
				return
			}
			require.Contains(t, draft.Warnings[len(draft.Warnings)-1], test.warning)
		})
	}
}

func TestWhatWasAcceptedOnceIsNotRefusedWhenANodeLeaves(t *testing.T) {
	s := newStore(t)
	n1, n2 := &api.Node{Meta: api.Meta{ID: "n1"}, Name: "n1", Runs: true}, &api.Node{Meta: api.Meta{ID: "n2"}, Name: "n2", Runs: true}
	tx := &store.Tx{}
	tx.Set(n1)
	tx.Set(n2)
	_, err := s.Commit(t.Context(), tx)
	require.NoError(t, err)
	wanted := spec("web")
	wanted.Ports = []api.Port{{Target: 80, Published: 8080, Mode: "host"}}
	wanted.Update.Order = api.StartFirst
	service := create(t, s, wanted)
	tx = &store.Tx{}
	tx.Remove(api.KindNode, "n2")
	_, err = s.Commit(t.Context(), tx)
	require.NoError(t, err)
	_, _, err = Commit(t.Context(), s, func(d *Draft) error {
		return d.UpdateService(store.Get[api.Service](d.Snapshot(), service.ID), wanted, 0, false)
	})
	require.NoError(t, err, "nothing of it differs")
}
