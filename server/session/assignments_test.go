package session

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestANodeGetsWhatItsTasksNeedAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		put(t, m.store, service("service1", 1)...)
		put(t, m.store, task("t1", "n1"), task("t2", "n2"), task("t3", ""))
		a := m.connect("n1")
		defer a.hangUp()

		first := a.received()
		require.Len(t, first, 1)
		require.True(t, first[0].Full)
		require.Equal(t, "cluster1", first[0].Welcome.Cluster)
		require.Equal(t, "name-n1", first[0].Welcome.Node.Name)
		require.Equal(t, api.DefaultNodeTimeout, first[0].Welcome.Timeout)
		require.Len(t, first[0].Tasks, 1)
		assignment := first[0].Tasks[0]
		require.Equal(t, "t1", assignment.Task.ID)
		require.Equal(t, []string{"web", "shop", "name-n1"}, []string{assignment.ServiceName, assignment.AppName, assignment.NodeName})
		require.Contains(t, first[0].Specs, "service1.1")
		require.Equal(t, map[string][]byte{"secret1.1": []byte("hush")}, first[0].Files, "a version that is gone is not replaced by another")

		put(t, m.store, task("t4", "n1"), task("t5", "n2"))
		m.settle()
		next := a.received()
		require.Len(t, next, 1)
		require.False(t, next[0].Full)
		require.Len(t, next[0].Tasks, 1)
		require.Equal(t, "t4", next[0].Tasks[0].Task.ID)
		require.Empty(t, next[0].Specs, "the node has it already")
		require.Empty(t, next[0].Files)
		require.Greater(t, next[0].Revision, first[0].Revision)
	})
}

func TestANodeIsToldOnceThatTheStoreHasATasksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1", "n2"))
		defer m.stop()
		of := func(id, node string, state api.TaskState) *api.TaskStatus {
			status := reached(id, "front", "10.1.0.17")
			status.Node, status.State = node, state
			return status
		}
		put(t, m.store, task("t1", "n1"), task("t2", "n1"), task("t3", "n1"), task("other", "n2"))
		put(t, m.store, of("t1", "n1", api.TaskFailed), of("t2", "n1", api.TaskRunning), of("other", "n2", api.TaskRunning))
		a := m.connect("n1")
		defer a.hangUp()
		require.Equal(t, []string{"t1"}, a.received()[0].Ended)

		put(t, m.store, of("t2", "n1", api.TaskComplete), of("other", "n2", api.TaskFailed), &api.TaskStatus{Meta: api.Meta{ID: "t3"}, Node: "n1", State: api.TaskRejected})
		m.settle()
		next := a.received()
		require.Len(t, next, 1)
		require.Equal(t, []string{"t2"}, next[0].Ended, "t3 never had an address")
		require.Equal(t, m.store.Snapshot().Revision(), next[0].Revision)

		again := of("t2", "n1", api.TaskComplete)
		again.Message = "ended with exit code 0"
		put(t, m.store, again)
		m.settle()
		require.Empty(t, a.received())
	})
}

func TestChangesAndRemovals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		put(t, m.store, service("service1", 1)...)
		put(t, m.store, task("t1", "n1"))
		a := m.connect("n1")
		defer a.hangUp()
		a.received()

		gone := task("t1", "n1")
		gone.Desired = api.DesiredRemove
		put(t, m.store, gone)
		m.settle()
		next := a.received()
		require.Len(t, next, 1)
		require.Equal(t, api.DesiredRemove, next[0].Tasks[0].Task.Desired)

		// The last task goes and another comes in one step: the spec is sent again.
		tx := &store.Tx{}
		tx.Remove(api.KindTask, "t1")
		tx.Set(task("t2", "n1"))
		_, err := m.store.Commit(t.Context(), tx)
		require.NoError(t, err)
		m.settle()
		next = a.received()
		require.Len(t, next, 1)
		require.Equal(t, []string{"t1"}, next[0].Removed)
		require.Len(t, next[0].Tasks, 1)
		require.Contains(t, next[0].Specs, "service1.1")
		require.Contains(t, next[0].Files, "secret1.1")
	})
}

func TestLargeFilesGoAheadOfTheTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		for i := range 20 {
			id, file := fmt.Sprintf("service%d", i), fmt.Sprintf("file%d", i)
			put(t, m.store, &api.Revision{Meta: api.Meta{ID: api.RevisionID(id, 1)}, Service: id, Number: 1, Spec: api.ServiceSpec{
				Name: id, Container: api.ContainerSpec{Configs: []api.FileReference{{ID: file, Version: 1}}},
			}})
			put(t, m.store, &api.Config{Meta: api.Meta{ID: file}, Name: file, Current: 1, Spec: api.FileSpec{Data: make([]byte, 1000<<10)}})
			each := task(fmt.Sprintf("t%02d", i), "n1")
			each.Service = id
			put(t, m.store, each)
		}
		a := m.connect("n1")
		defer a.hangUp()
		messages := a.received()
		require.Greater(t, len(messages), 1)
		files := 0
		for i, each := range messages {
			files += len(each.Files)
			require.Equal(t, i == 0, each.Welcome != nil)
			require.Equal(t, i == len(messages)-1, each.Full)
			if i < len(messages)-1 {
				require.Empty(t, each.Tasks)
			}
		}
		require.Len(t, messages[len(messages)-1].Tasks, 20)
		require.Equal(t, 20, files)
	})
}
