package server

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/scheduler"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

var update = flag.Bool("update", false, "write the plans in testdata/compose anew; read the diff")

// TestPublishedComposeFilesArePlannedInFull plans what compose's own golden files
// have, on three nodes that do as they are told, until nothing is left to do.
func TestPublishedComposeFilesArePlannedInFull(t *testing.T) {
	files, err := filepath.Glob("../testdata/compose/*.golden.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".golden.json") + ".plan.txt"
		t.Run(filepath.Base(golden), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var spec api.AppSpec
			require.NoError(t, json.Unmarshal(data, &spec))
			cryptotest.SetGlobalRandom(t, 1) // ties are broken by IDs
			got := newRehearsal(t).play(spec)
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// rehearsal is a cluster that exists on paper.
type rehearsal struct {
	*testing.T
	store *memory.Store
	now   time.Time
	said  strings.Builder
}

func newRehearsal(t *testing.T) *rehearsal {
	r := &rehearsal{T: t, store: memory.New(), now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { r.store.Close() })
	tx := &store.Tx{}
	for i := range 3 {
		id := fmt.Sprintf("n%d", i+1)
		role := api.RoleWorker
		if i == 0 {
			role = api.RoleManager
		}
		tx.Create(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: role, Availability: api.AvailabilityActive, Runs: true})
		tx.Create(&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady, Info: api.NodeInfo{
			Platform: api.Platform{OS: "linux", Arch: "amd64"}, Capacity: api.ResourceSet{NanoCPUs: 4e9, Memory: 8 << 30},
		}})
	}
	r.commit(tx)
	return r
}

func (r *rehearsal) commit(tx *store.Tx) {
	r.Helper()
	_, err := r.store.Commit(r.Context(), tx)
	require.NoError(r, err)
}

// play deploys an app and tells every step.
func (r *rehearsal) play(spec api.AppSpec) string {
	pinned := func(spec, _ *api.ServiceSpec) error { spec.Container.Digest = "sha256:1"; return nil }
	require.NoError(r, deploy.PrepareApp(pinned, r.store.Snapshot(), &spec))
	draft, _, err := deploy.Commit(r.Context(), r.store, func(d *deploy.Draft) error {
		_, err := d.Deploy(spec, false)
		return err
	})
	require.NoError(r, err)
	for _, step := range draft.Steps {
		fmt.Fprintf(&r.said, "%s %s %s: %s\n", step.Action, step.Object, step.Name, step.Reason)
	}
	for range 100 {
		steps := scheduler.New(r.store.Snapshot()).Plan(r.now).Steps
		if len(steps) == 0 && !r.obey() {
			return r.said.String()
		}
		if len(steps) > 0 {
			r.said.WriteString("----\n")
		}
		for _, step := range steps {
			r.tell(step)
		}
		for _, batch := range batches(steps, 100) {
			r.commit(transaction(batch, r.now))
		}
		r.now = r.now.Add(10 * time.Second)
	}
	require.Fail(r, "it does not come to an end", r.said.String())
	return ""
}

// tell writes a step in names.
func (r *rehearsal) tell(step scheduler.Step) {
	service := store.Get[api.Service](r.store.Snapshot(), step.Service)
	subject := ""
	if task, isTask := step.After.(*api.Task); isTask {
		subject = fmt.Sprintf(" slot %d on %q", task.Slot, task.Node)
	}
	fmt.Fprintf(&r.said, "%s %s%s: %s\n", step.Action, service.Name, subject, step.Reason)
}

// obey has the nodes do what they should, and reports whether that was anything.
func (r *rehearsal) obey() bool {
	snapshot := r.store.Snapshot()
	tx, busy := &store.Tx{}, false
	for task := range store.All[api.Task](snapshot) {
		if task.Node == "" || store.Get[api.TaskStatus](snapshot, task.ID) != nil {
			continue
		}
		spec := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision)).Spec
		status := &api.TaskStatus{Meta: api.Meta{ID: task.ID}, Node: task.Node, State: api.TaskRunning, Since: r.now}
		if spec.Mode.Job() {
			status.State = api.TaskComplete
		}
		if spec.Container.Health != nil {
			status.Healthy = new(bool)
			*status.Healthy = true
		}
		tx.Create(status)
		busy = true
	}
	if busy {
		r.commit(tx)
	}
	return busy
}
