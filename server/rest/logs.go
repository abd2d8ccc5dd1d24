package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

var watchRoutes = []Route{
	{Method: "GET", Path: "/v1/logs", Access: Users, Does: "NDJSON of lines, in the order of their times: of one of `service=`, `task=`, `container=`, `app=`; `since=`, `until=`, `tail=`, `follow=1`", handler: (*API).logs},
	{Method: "POST", Path: "/v1/exec", Access: Users, Does: "run a command in a container; frames both ways (see Streams)", limit: unlimited, handler: (*API).exec},
	{Method: "GET", Path: "/v1/stats", Access: Users, Does: "NDJSON of lists of samples; `service=`, `task=`, `app=`, `node=`, `stream=1` for one every second", handler: (*API).stats},
	{Method: "GET", Path: "/v1/events", Access: Users, Does: "NDJSON of events; `since=`, `until=`, `type=` (may repeat), `follow=1`", handler: (*API).getEvents},
}

// logQuery is a request for logs.
type logQuery struct {
	selection
	container    string
	since, until time.Time
	tail         int // negative: all
	follow       bool
}

func (a *API) logs(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	query, err := parseLogQuery(snapshot, r, time.Now())
	if err != nil {
		return err
	}
	out, err := newLines(w)
	if err != nil {
		return nil // the client is gone
	}
	out.fail(r.Context(), newLogMerge(a, query, out).run(r.Context(), snapshot))
	return nil
}

func parseLogQuery(s *store.Snapshot, r *http.Request, now time.Time) (q logQuery, err error) {
	values := r.URL.Query()
	named := 0
	for _, name := range []string{"service", "task", "container", "app"} {
		if values.Get(name) != "" {
			named++
		}
	}
	if named != 1 {
		return q, api.Invalidf("logs of one thing can be read: give one of service, task, container and app")
	}
	if q.selection, err = choose(s, values.Get); err != nil {
		return q, err
	}
	if ref := values.Get("container"); ref != "" {
		view, err := findContainer(s, ref)
		if err != nil {
			return q, err
		}
		q.container, q.task = view.ID, store.Get[api.Task](s, view.Task)
	}
	if q.since, err = instant(r, "since", now); err != nil {
		return q, err
	}
	if q.until, err = instant(r, "until", now); err != nil {
		return q, err
	}
	q.tail = -1
	if text := values.Get("tail"); text != "" && text != "all" {
		if q.tail, err = strconv.Atoi(text); err != nil || q.tail < 0 {
			return q, api.Invalidf("tail=%q: want a number of lines, or all", text)
		}
	}
	q.follow, err = truth(r, "follow")
	return q, err
}

// request asks a node for a task's lines.
func (q *logQuery) request(task string, follow bool) *wire.LogsRequest {
	return &wire.LogsRequest{
		Tasks: []string{task}, Container: q.container, Since: q.since, Until: q.until, Tail: q.tail, Follow: follow,
	}
}

// ended says that a task writes nothing more: it has ended, or the container that
// is asked for has.
func (q *logQuery) ended(s *store.Snapshot, task *api.Task) bool {
	status := store.Get[api.TaskStatus](s, task.ID)
	if status == nil {
		return store.Get[api.Task](s, task.ID) == nil
	}
	if q.container == "" {
		return status.State.Terminal()
	}
	for _, attempt := range status.Attempts {
		if attempt.Container == q.container {
			return !attempt.Finished.IsZero()
		}
	}
	return true
}

// over says that nothing more can come, ever.
func (q *logQuery) over(s *store.Snapshot) bool {
	switch {
	case q.task != nil:
		task := store.Get[api.Task](s, q.task.ID)
		return task == nil || q.ended(s, task)
	case q.service != nil:
		return store.Get[api.Service](s, q.service.ID) == nil
	}
	return store.Get[api.App](s, q.app.ID) == nil
}
