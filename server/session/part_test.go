package session

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func TestALargeStateIsToldInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		put(t, s, node("n1", 1), node("n2", 2), overlay(api.IngressID))
		const services = 1000
		var objects []api.Object
		for i := range services {
			id := fmt.Sprintf("service%d", i)
			objects = append(objects, connected(id, []api.Port{{Protocol: "tcp", Target: 80, Published: uint16(1000 + i), Mode: "ingress"}})...)
			objects = append(objects, taskOf("task-of-"+id, id, "n2"), reached("task-of-"+id, api.IngressID, "10.0.0.17"))
		}
		put(t, s, objects...)
		put(t, s, taskOf("own", "service7", "n1"))
		m := newManager(t, s)
		defer m.stop()

		a := m.connect("n1")
		defer a.hangUp()
		a.mu.Lock()
		messages := a.messages
		a.mu.Unlock()
		require.NotNil(t, messages[0].Welcome)
		require.False(t, messages[0].Full)
		var parts wire.Parts
		var complete wire.Down
		for i := range messages {
			require.Less(t, len(messages[i].Part), wire.MaxPart+1)
			whole, err := parts.Join(&messages[i])
			require.NoError(t, err)
			if whole && messages[i].Full {
				complete = messages[i]
			}
		}
		require.Len(t, complete.Tasks, 1)
		require.Len(t, complete.Network.Services.Set, services)
		require.Len(t, complete.Network.Backends.Set, services)
	})
}
