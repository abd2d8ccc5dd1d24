package scheduler

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var update = flag.Bool("update", false, "write what the stories in testdata come to; read the diff")

// TestStories tells the stories in testdata: paragraphs of commands, what happens
// to a cluster, and below ---- what the planner makes of it. See tell for the
// commands.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			got := newStory(t).tell(string(text))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got, "if this is right: go test ./scheduler -run Stories -update")
		})
	}
}

type story struct {
	*world
	names map[string]string // of tasks
}

func newStory(t *testing.T) *story { return &story{world: newWorld(t, 0)} }

// tell runs each paragraph's commands and returns the text with what came of them.
func (s *story) tell(text string) string {
	var paragraphs []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		commands, _, _ := strings.Cut(paragraph+"\n", "----\n")
		var out strings.Builder
		silent := true
		for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			silent = false
			s.do(&out, strings.TrimSpace(line))
		}
		if !silent {
			commands = strings.TrimSpace(commands) + "\n----\n" + out.String()
		}
		paragraphs = append(paragraphs, strings.TrimSpace(commands))
	}
	return strings.Join(paragraphs, "\n\n") + "\n"
}

// do runs one command:
//
//	node NAME [NODE-JSON] [INFO-JSON]   a node joins, or changes
//	state NODE ready|down               its session comes or goes
//	gone NODE                           it is removed from the cluster
//	service NAME REPLICAS [SPEC-JSON]   a service is created, or gets a new revision
//	scale NAME REPLICAS
//	back NAME                           the user rolls back
//	rebalance NAME                      the user wants tasks spread anew
//	remove NAME
//	keep KIND NAME [VERSION]            a network, secret or config is there
//	lose KIND NAME                      it is removed
//	status TASK STATE [MESSAGE…]        a node reports; TASK as the output names it
//	obey                                nodes carry out what tasks want, one state further
//	crash REVISION                      from now on tasks of it fail when they run
//	break REVISION                      from now on no node can make tasks of it
//	wait DURATION
//	plan                                plan, print the steps, apply them
//	settle DURATION                     plan and obey until nothing happens, print the tasks
func (s *story) do(out *strings.Builder, line string) {
	word := strings.Fields(line)
	arg := func(i int) string {
		if i < len(word) {
			return word[i]
		}
		return ""
	}
	switch word[0] {
	case "node":
		s.joins(word[1:])
	case "state":
		s.setNode(word[1], func(_ *api.Node, status *api.NodeStatus) { status.State, status.Since = api.NodeState(word[2]), s.now })
	case "gone":
		s.commit(Step{Before: store.Get[api.Node](s.snapshot, word[1])}, Step{Before: store.Get[api.NodeStatus](s.snapshot, word[1])})
	case "service":
		s.submit(word[1], s.number(word[2]), func(spec *api.ServiceSpec) { s.decode(arg(3), spec) })
		s.inApp(word[1])
	case "scale", "back", "rebalance":
		service := *store.Get[api.Service](s.snapshot, word[1])
		switch word[0] {
		case "scale":
			service.Replicas = s.number(word[2])
		case "back":
			service.Current, service.Previous = service.Previous, service.Current
		case "rebalance":
			service.Rebalance++
		}
		s.put(&service)
	case "remove":
		s.commit(Step{Before: store.Get[api.Service](s.snapshot, word[1])})
	case "keep":
		s.put(s.used(word[1], word[2], s.number(cmp.Or(arg(3), "1"))))
	case "lose":
		s.commit(Step{Before: s.used(word[1], word[2], 0)})
	case "status":
		task := s.find(word[1])
		s.put(&api.TaskStatus{Meta: api.Meta{ID: task.ID, Updated: s.now}, Node: task.Node, Since: s.now,
			State: api.TaskState(word[2]), Message: strings.Join(word[3:], " ")})
	case "obey":
		s.obey()
	case "crash":
		s.crash[s.number(word[1])] = true
	case "break":
		s.broken[s.number(word[1])] = true
	case "wait":
		s.now = s.now.Add(s.duration(word[1]))
	case "plan":
		s.print(out, s.planner.Plan(s.now))
	case "settle":
		s.settle(s.duration(word[1]))
		s.list(out)
	default:
		require.Fail(s.t, "no such command", line)
	}
}

// used is something that services use, under its name.
func (s *story) used(kind, id string, version int) api.Object {
	meta := api.Meta{ID: id}
	switch api.Kind(kind) {
	case api.KindNetwork:
		return &api.Network{Meta: meta, Name: id}
	case api.KindSecret:
		return &api.Secret{Meta: meta, Name: id, Current: version}
	case api.KindConfig:
		return &api.Config{Meta: meta, Name: id, Current: version}
	}
	require.Fail(s.t, "services use no such thing", kind)
	return nil
}

func (s *story) joins(word []string) {
	id := word[0]
	node := &api.Node{Name: id, Role: api.RoleWorker, Availability: api.AvailabilityActive, Runs: true}
	status := &api.NodeStatus{State: api.NodeReady, Info: api.NodeInfo{
		Platform: api.Platform{OS: "linux", Arch: "amd64"}, Capacity: api.ResourceSet{NanoCPUs: 4e9, Memory: 8 << 30}}}
	if old := store.Get[api.Node](s.snapshot, id); old != nil {
		changed, its := *old, *store.Get[api.NodeStatus](s.snapshot, id)
		node, status = &changed, &its
	}
	if len(word) > 1 {
		s.decode(word[1], node)
	}
	if len(word) > 2 {
		s.decode(word[2], &status.Info)
	}
	node.ID, status.ID = id, id
	s.put(node, status)
}

// inApp makes APP_SERVICE a service of the app APP.
func (s *story) inApp(name string) {
	app, _, found := strings.Cut(name, "_")
	if found {
		service := *store.Get[api.Service](s.snapshot, name)
		service.App, service.AppName = app, app
		s.put(&service)
	}
}

func (s *story) print(out *strings.Builder, plan Plan) {
	for _, step := range plan.Steps {
		s.describe(out, step)
	}
	if len(plan.Steps) == 0 {
		fmt.Fprintln(out, "nothing to do")
	}
	s.apply(plan)
	if wake := s.planner.Plan(s.now).Wake; !wake.IsZero() && len(plan.Steps) == 0 {
		fmt.Fprintln(out, "looks again in", wake.Sub(s.now))
	}
}

func (s *story) describe(out *strings.Builder, step Step) {
	object := step.After
	if object == nil {
		object = step.Before
	}
	fmt.Fprint(out, step.Action, " ")
	switch o := object.(type) {
	case *api.Task:
		fmt.Fprint(out, s.name(o))
		if o.Node != "" && slices.Contains([]Action{CreateTask, PlaceTask, PrepareTask}, step.Action) {
			fmt.Fprint(out, " on ", o.Node)
		}
	case *api.TaskStatus:
		fmt.Fprint(out, "status of ", s.name(store.Get[api.Task](s.snapshot, o.ID)))
	case *api.Rollout:
		fmt.Fprint(out, o.ID, " ", o.State)
	default:
		fmt.Fprint(out, o.Header().ID)
	}
	reason := step.Reason
	for id, name := range s.names {
		reason = strings.ReplaceAll(reason, api.ShortID(id), name)
	}
	fmt.Fprintln(out, ":", reason)
}

// name is SERVICE.SLOT#N or SERVICE.NODE#N: the slot's Nth task in the story.
func (s *story) name(task *api.Task) string {
	if s.names == nil {
		s.names = make(map[string]string)
	}
	if name, found := s.names[task.ID]; found {
		return name
	}
	place := strconv.Itoa(task.Slot)
	if task.Slot == 0 {
		place = cmp.Or(task.Node, "?")
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%s#%d", task.Service, place, n)
		taken := false
		for _, other := range s.names {
			taken = taken || other == name
		}
		if !taken {
			s.names[task.ID] = name
			return name
		}
	}
}

func (s *story) find(name string) *api.Task {
	for task := range store.All[api.Task](s.snapshot) {
		if s.name(task) == name {
			return task
		}
	}
	require.Fail(s.t, "no such task", name)
	return nil
}

func (s *story) list(out *strings.Builder) {
	var lines []string
	for task := range store.All[api.Task](s.snapshot) {
		state := api.TaskPending
		if status := store.Get[api.TaskStatus](s.snapshot, task.ID); status != nil {
			state = status.State
		}
		where := ""
		if task.Node != "" {
			where = " on " + task.Node
		}
		s.name(task) // counted from when it was first seen
		if task.Desired == api.DesiredRun {
			line := fmt.Sprintf("%s.%d%s revision %d %s", task.Service, task.Slot, where, task.Revision, state)
			if task.Node == "" {
				line += ": " + task.Reason
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	for rollout := range store.All[api.Rollout](s.snapshot) {
		fmt.Fprintf(out, "rollout %s %s: %s\n", rollout.ID, rollout.State, rollout.Message)
	}
}

func (s *story) decode(text string, into any) {
	if text != "" {
		require.NoError(s.t, json.Unmarshal([]byte(text), into), text)
	}
}

func (s *story) number(text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(s.t, err)
	return n
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(s.t, err)
	return d
}
