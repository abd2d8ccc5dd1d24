package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// eventLimit is how many events a manager remembers.
const eventLimit = 4096

// history is the latest events, in memory: they are told, never stored.
type history struct {
	limit int

	mu     sync.Mutex
	events []api.Event
	first  int           // number of events[0]; numbers count from the start
	wake   chan struct{} // closed at the next event
}

func newHistory(limit int) *history { return &history{limit: limit, wake: make(chan struct{})} }

// observe remembers what an update shows.
func (h *history) observe(update store.Update) { h.add(eventsOf(update, time.Now().UTC())) }

func (h *history) add(events []api.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, events...)
	if surplus := len(h.events) - h.limit; surplus > 0 {
		h.events = slices.Delete(h.events, 0, surplus)
		h.first += surplus
	}
	close(h.wake)
	h.wake = make(chan struct{})
}

// since returns the events from number on, how many of them are forgotten, the
// number to go on from, and what is closed when there are more.
func (h *history) since(number int) (events []api.Event, lost, next int, wake <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost = max(0, h.first-number)
	from := max(number, h.first)
	return slices.Clone(h.events[from-h.first:]), lost, h.first + len(h.events), h.wake
}

// eventFilter is what a request for events asks for.
type eventFilter struct {
	since, until time.Time
	types        []string
}

func (f eventFilter) passes(event api.Event) bool {
	return !event.Time.Before(f.since) && (f.until.IsZero() || !event.Time.After(f.until)) &&
		(len(f.types) == 0 || slices.Contains(f.types, event.Type))
}

func (a *API) getEvents(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	filter := eventFilter{types: r.URL.Query()["type"]}
	var err error
	if filter.since, err = instant(r, "since", now); err != nil {
		return err
	}
	if filter.until, err = instant(r, "until", now); err != nil {
		return err
	}
	follow, err := truth(r, "follow")
	if err != nil {
		return err
	}
	ctx := r.Context()
	if !filter.until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, filter.until)
		defer cancel()
	}
	out, err := newLines(w)
	if err != nil {
		return nil // the client is gone
	}
	number := 0
	if follow && filter.since.IsZero() {
		_, _, number, _ = a.events.since(0) // only what comes, as `docker events`
	}
	for begun := false; ; begun = true {
		events, lost, next, wake := a.events.since(number)
		number = next
		if lost > 0 && begun {
			events = slices.Insert(events, 0, api.Event{
				Time: time.Now().UTC(), Type: "events", Action: "lost",
				Attributes: map[string]string{"count": strconv.Itoa(lost)},
			})
		}
		for _, event := range events {
			if filter.passes(event) || event.Type == "events" {
				if out.write(event) != nil {
					return nil // the client is gone
				}
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil
		}
	}
}
