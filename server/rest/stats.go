package rest

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	statsInterval = time.Second
	// statsTimeout is how long nodes have for one sample.
	statsTimeout = 10 * time.Second
	// statsRetry is the pause before a node that failed is asked again.
	statsRetry = 2 * time.Second
)

func (a *API) stats(w http.ResponseWriter, r *http.Request) error {
	chosen, err := choose(a.store.Snapshot(), r.URL.Query().Get)
	if err != nil {
		return err
	}
	follow, err := truth(r, "stream")
	if err != nil {
		return err
	}
	out, err := newLines(w)
	if err != nil {
		return nil // the client is gone
	}
	if follow {
		out.fail(r.Context(), a.followStats(r.Context(), chosen, out))
		return nil
	}
	out.fail(r.Context(), a.sampleStats(r.Context(), chosen, out))
	return nil
}

// running are the IDs of the tasks that have numbers, by node.
func (c selection) running(s *store.Snapshot) map[string][]string {
	byNode := make(map[string][]string)
	for _, task := range c.tasks(s) {
		status := store.Get[api.TaskStatus](s, task.ID)
		if task.Node != "" && status != nil && !status.State.Terminal() {
			byNode[task.Node] = append(byNode[task.Node], task.ID)
		}
	}
	return byNode
}

// sampleStats answers with one list. When a node does not answer, the others'
// numbers come first and the error after them.
func (a *API) sampleStats(ctx context.Context, chosen selection, out *lines) error {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	snapshot := a.store.Snapshot()
	var (
		mu      sync.Mutex
		all     = []api.ContainerStats{}
		failure error
		asking  sync.WaitGroup
	)
	for node, tasks := range chosen.running(snapshot) {
		asking.Go(func() {
			err := a.readStats(ctx, node, wire.StatsRequest{Tasks: tasks}, func(samples []api.ContainerStats) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, nameStats(snapshot, samples)...)
			})
			mu.Lock()
			defer mu.Unlock()
			failure = cmp.Or(failure, err)
		})
	}
	asking.Wait()
	sortStats(all)
	if err := out.write(all); err != nil {
		return nil // the client is gone
	}
	return failure
}

// followStats writes a list of what all nodes said last, every statsInterval. A
// node that does not answer is missing from it until it does.
func (a *API) followStats(ctx context.Context, chosen selection, out *lines) error {
	ctx, cancel := context.WithCancel(ctx)
	var (
		mu     sync.Mutex
		latest = make(map[string][]api.ContainerStats) // by node
		asking = make(map[string]bool)
		nodes  sync.WaitGroup
	)
	defer nodes.Wait()
	defer cancel()
	ticker := time.NewTicker(statsInterval)
	defer ticker.Stop()
	for {
		snapshot := a.store.Snapshot()
		wanted := chosen.running(snapshot)
		mu.Lock()
		for node := range wanted {
			if asking[node] {
				continue
			}
			asking[node] = true
			nodes.Go(func() {
				// All of the node's, for which tasks are wanted changes meanwhile.
				_ = a.readStats(ctx, node, wire.StatsRequest{Interval: statsInterval}, func(samples []api.ContainerStats) {
					mu.Lock()
					defer mu.Unlock()
					latest[node] = samples
				})
				_ = sleep.For(ctx, statsRetry) // its end is seen above
				mu.Lock()
				defer mu.Unlock()
				delete(latest, node)
				delete(asking, node)
			})
		}
		all := []api.ContainerStats{}
		for _, node := range slices.Sorted(maps.Keys(wanted)) {
			for _, sample := range latest[node] {
				if slices.Contains(wanted[node], sample.Task) {
					all = append(all, sample)
				}
			}
		}
		first := len(all) == 0 && len(wanted) > 0 // nodes need a moment for the first
		mu.Unlock()
		if !first {
			sortStats(all)
			if err := out.write(nameStats(snapshot, all)); err != nil {
				return nil // the client is gone
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// readStats passes on what a node samples until its stream ends.
func (a *API) readStats(ctx context.Context, node string, request wire.StatsRequest, take func([]api.ContainerStats)) error {
	stream, release, err := a.open(ctx, node, wire.Open{Stats: &request})
	if err != nil {
		return err
	}
	defer release()
	for {
		payload, err := nextData(stream)
		switch {
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil:
			return api.Errorf(api.CodeUnavailable, "node %s did not answer in time", nodeName(a.store.Snapshot(), node))
		case err != nil:
			return err
		}
		var samples []api.ContainerStats
		if err := wire.UnmarshalAnswer(payload, &samples); err != nil {
			return err
		}
		take(samples)
		if request.Interval == 0 {
			return nil
		}
	}
}

// nameStats fills in the names that people see.
func nameStats(s *store.Snapshot, samples []api.ContainerStats) []api.ContainerStats {
	for i := range samples {
		if task := store.Get[api.Task](s, samples[i].Task); task != nil {
			view := viewTask(s, task)
			samples[i].Name, samples[i].NodeName = view.Name, view.NodeName
		}
	}
	return samples
}

func sortStats(samples []api.ContainerStats) {
	slices.SortFunc(samples, func(a, b api.ContainerStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container))
	})
}
