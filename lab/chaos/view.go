package chaos

import (
	"context"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// View is what can be seen of the cluster at one time.
type View struct {
	At    time.Time
	Tasks []api.TaskView
	// Running are the tasks that have a living process, by node name, whatever their
	// status says. Well are the nodes that have had no fault for long enough to have
	// done what managers told them.
	Running map[string][]api.TaskView
	Well    map[string]bool
}

// eyes look at the cluster. They remember which container is whose.
type eyes struct {
	cluster *Cluster
	// grace is how long a node must have been well before it is judged.
	grace time.Duration

	mu     sync.Mutex
	tasks  map[string]api.TaskView // by container
	latest *View
	most   int // tasks with addresses at a time
}

func newEyes(cluster *Cluster, grace time.Duration) *eyes {
	return &eyes{cluster: cluster, grace: grace, tasks: make(map[string]api.TaskView)}
}

// last is what look returned last, or nil.
func (e *eyes) last() *View {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.latest
}

// addresses is how many tasks had an address at most, at a time.
func (e *eyes) addresses() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most
}

func addressed(tasks []api.TaskView) int {
	count := 0
	for _, task := range tasks {
		if len(task.Status.Addresses) > 0 {
			count++
		}
	}
	return count
}

// look returns nil when no manager answers.
func (e *eyes) look(ctx context.Context) (*View, error) {
	running := make(map[string][]string)
	for _, node := range e.cluster.Lab.Nodes() {
		containers, err := node.Containers()
		if err != nil {
			return nil, err
		}
		running[node.Name()] = containers
	}
	v := &View{At: time.Now(), Running: make(map[string][]api.TaskView), Well: make(map[string]bool)}
	if e.cluster.Ask(ctx, func(ctx context.Context, c *client.Client) (err error) {
		v.Tasks, err = c.Tasks(ctx, client.TaskQuery{})
		return err
	}) != nil {
		return nil, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, task := range v.Tasks {
		for _, attempt := range task.Status.Attempts {
			e.tasks[attempt.Container] = task
		}
	}
	for _, node := range e.cluster.Lab.Nodes() {
		for _, container := range running[node.Name()] {
			if task, known := e.tasks[container]; known {
				v.Running[node.Name()] = append(v.Running[node.Name()], task)
			}
		}
		since, well := e.cluster.Well(node.Name())
		v.Well[node.Name()] = well && v.At.Sub(since) > e.grace
	}
	e.latest = v
	e.most = max(e.most, addressed(v.Tasks))
	return v, nil
}
