package client

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
)

// LogsQuery says whose logs are wanted: of exactly one of Service, Task,
// Container and App (references).
type LogsQuery struct {
	Service, Task, Container, App string
	Since, Until                  time.Time // zero: no bound
	// Tail is how many of the last lines per task to begin with; negative is all.
	Tail int
	// Follow goes on with new lines, of new tasks too.
	Follow bool
}

// Logs yields lines of all the tasks in the order of their times. A line with
// Error set tells that a node's part is missing.
func (c *Client) Logs(ctx context.Context, q LogsQuery) iter.Seq2[api.LogLine, error] {
	query := values("service", q.Service, "task", q.Task, "container", q.Container, "app", q.App,
		"since", instant(q.Since), "until", instant(q.Until), "follow", flag(q.Follow))
	if q.Tail >= 0 {
		query.Set("tail", strconv.Itoa(q.Tail))
	}
	return streamGet[api.LogLine](ctx, c, path("logs"), query)
}

// StatsQuery says whose stats are wanted; the zero value is all. The fields are
// references.
type StatsQuery struct {
	Service, Task, App, Node string
	// Stream goes on with a sample every second.
	Stream bool
}

// Stats yields samples of all the containers: once, or every second.
func (c *Client) Stats(ctx context.Context, q StatsQuery) iter.Seq2[[]api.ContainerStats, error] {
	query := values("service", q.Service, "task", q.Task, "app", q.App, "node", q.Node, "stream", flag(q.Stream))
	return streamGet[[]api.ContainerStats](ctx, c, path("stats"), query)
}

// EventsQuery says which events are wanted; the zero value is all that the
// manager remembers.
type EventsQuery struct {
	Since, Until time.Time
	Types        []string // service, task, node, …; empty is all
	Follow       bool
}

// Events yields events in their order.
func (c *Client) Events(ctx context.Context, q EventsQuery) iter.Seq2[api.Event, error] {
	query := values("since", instant(q.Since), "until", instant(q.Until), "follow", flag(q.Follow))
	for _, each := range q.Types {
		query.Add("type", each)
	}
	return streamGet[api.Event](ctx, c, path("events"), query)
}

func instant(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}
