package chaos

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// View is what can be seen of the cluster at one time.
type View struct {
	At    time.Time // when all of Running did
	Tasks []api.TaskView
	// Running are the tasks that have a living process, by node name, whatever their
	// status says. Well are the nodes that have had no fault, as have most
	// managers, for long enough to have done what managers told them.
	Running map[string][]api.TaskView
	Well    map[string]bool
	// Nameless are the containers with a living process that no status has named so
	// far, by node name.
	Nameless map[string][]string
	// Evicted are the nodes that were taken for lost though nothing has kept managers
	// from hearing of them for as long, and why.
	Evicted map[string]string
}

// eyes look at the cluster. They remember which container is whose.
type eyes struct {
	cluster *Cluster
	// grace is how long a node must have been well before it is judged.
	grace time.Duration

	listing sync.Mutex
	listed  map[string][]string // containers by node, at the last look
	seen    time.Duration       // when that was over

	mu     sync.Mutex
	tasks  map[string]api.TaskView // by container
	ready  map[string]time.Time    // since when nodes are, by name, if they should be
	latest *View
	most   int // tasks with addresses at a time
	judged int // looks with two nodes to hold against each other
}

func newEyes(cluster *Cluster, grace time.Duration) *eyes {
	return &eyes{cluster: cluster, grace: grace, tasks: make(map[string]api.TaskView), ready: make(map[string]time.Time)}
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

// judgedLooks is at how many looks there were two nodes at least that could have
// broken a promise between them.
func (e *eyes) judgedLooks() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.judged
}

// twoWell says whether two nodes at least are judged.
func twoWell(well map[string]bool) bool {
	count := 0
	for _, judged := range well {
		if judged {
			count++
		}
	}
	return count >= 2
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
	at := time.Now()
	running, then, err := e.running()
	if err != nil {
		return nil, err
	}
	v := &View{At: at, Running: make(map[string][]api.TaskView), Well: make(map[string]bool), Nameless: make(map[string][]string)}
	var nodes []api.NodeView
	if e.cluster.Ask(ctx, func(ctx context.Context, c *client.Client) (err error) {
		if v.Tasks, err = c.Tasks(ctx, client.TaskQuery{}); err != nil {
			return err
		}
		nodes, err = c.Nodes(ctx)
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
			} else {
				v.Nameless[node.Name()] = append(v.Nameless[node.Name()], container)
			}
		}
		v.Well[node.Name()] = e.cluster.health.longWell(node.Name(), then, e.grace)
	}
	v.Evicted = e.evicted(nodes, func(node string) bool {
		return e.cluster.pace.fair() && e.cluster.health.longHeard(node, then, e.grace)
	})
	e.latest = v
	e.most = max(e.most, addressed(v.Tasks))
	if twoWell(v.Well) {
		e.judged++
	}
	return v, nil
}

// evicted are those of the nodes to be heard that are down, or were since the last look
// at which they were to be, too.
func (e *eyes) evicted(nodes []api.NodeView, heard func(node string) bool) map[string]string {
	found := make(map[string]string)
	for _, node := range nodes {
		before, known := e.ready[node.Name]
		delete(e.ready, node.Name)
		switch status := node.Status; {
		case status == nil || status.State == api.NodeUnknown || !heard(node.Name):
		case status.State == api.NodeDown:
			found[node.Name] = status.Message
		case known && !before.Equal(status.Since):
			found[node.Name] = "it is ready again since " + status.Since.Format(time.TimeOnly)
		default:
			e.ready[node.Name] = status.Since
		}
	}
	return found
}

// running are the containers, by node, that had a process at the last look and have
// it still: these all ran at the same time, which is then on the suite's clock. One
// list alone does not say so, for a container may end on one node and its successor
// begin on the next meanwhile; and it may be long ago when it has been made.
func (e *eyes) running() (both map[string][]string, then time.Duration, err error) {
	e.listing.Lock()
	defer e.listing.Unlock()
	before, then := e.listed, e.seen
	if e.listed, err = e.cluster.Lab.Containers(); err != nil {
		return nil, 0, err
	}
	e.seen = e.cluster.pace.Now()
	both = make(map[string][]string)
	for node, containers := range e.listed {
		both[node] = slices.DeleteFunc(slices.Clone(containers), func(id string) bool { return !slices.Contains(before[node], id) })
	}
	return both, then, nil
}
