package rest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

func TestAManagerThatIsCutOffSaysSo(t *testing.T) {
	m := newManager(t)
	var told []string
	m.client.OnStale(func(why string) { told = append(told, why) })
	name := "renamed"
	rename := func() error {
		_, err := m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{LabelsAdd: map[string]string{"name": name}})
		return err
	}

	m.others.apart = time.Second
	_, err := m.client.Nodes(m.ctx)
	require.NoError(t, err)
	require.NoError(t, rename())
	require.Empty(t, told, "an election is nothing to speak of")

	m.others.apart = 5 * time.Second
	_, err = m.client.Services(m.ctx, client.ServiceQuery{})
	require.NoError(t, err, "what it knew is still shown")
	require.Equal(t, []string{"no quorum: this manager has not reached most of the others for 5s, and shows what it knew then"}, told)
	requireCode(t, api.CodeUnavailable, rename(), "no quorum: this manager has not reached most of the others for 5s, and nothing can be changed without them")
	require.Equal(t, api.ReasonUnwritten, api.ReasonOf(rename()))
	_, err = m.client.UpdateService(m.ctx, "web", api.ServiceUpdate{})
	require.Equal(t, api.ReasonUnwritten, api.ReasonOf(err), "no quorum")

	m.others.apart = 0
	_, err = m.client.Nodes(m.ctx)
	require.NoError(t, err)
	require.NoError(t, rename())
	require.Len(t, told, 1)
}

func TestAClusterThatHasSplitSaysSo(t *testing.T) {
	m := newManager(t)
	var told []string
	m.client.OnStale(func(why string) { told = append(told, why) })
	m.others.splits = []managers.Split{{Manager: "m2", Message: "m2 went on alone"}}
	_, err := m.client.Nodes(m.ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"m2 went on alone"}, told)
}

// lapsed is a store that cannot follow its database.
type lapsed struct {
	store.Store
	behind time.Duration
}

func (l *lapsed) Behind() time.Duration { return l.behind }

func TestAManagerThatIsBehindSaysSo(t *testing.T) {
	s := &lapsed{behind: time.Second}
	m := newManagerOn(t, func(of *memory.Store) store.Store {
		s.Store = of
		return s
	})
	var told []string
	m.client.OnStale(func(why string) { told = append(told, why) })
	_, err := m.client.Nodes(m.ctx)
	require.NoError(t, err)
	require.Empty(t, told, "it tries again")

	s.behind = 5 * time.Second
	_, err = m.client.Nodes(m.ctx)
	require.NoError(t, err, "what it knew is still shown")
	require.Equal(t, []string{"this manager has not been able to follow the database for 5s, and shows what it knew then: see its log"}, told)
	_, err = m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{LabelsAdd: map[string]string{"a": "b"}})
	requireCode(t, api.CodeUnavailable, err, "follow the database for 5s")
}
