package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// sampleGap is the time between the two samples that a single answer compares.
const sampleGap = 500 * time.Millisecond

// handleStats sends samples of the running containers.
func (a *Agent) handleStats(ctx context.Context, request *wire.StatsRequest, w *frames) error {
	before := a.sample(ctx, request.Tasks)
	interval := request.Interval
	if interval == 0 {
		interval = sampleGap
	}
	for {
		if err := sleep.For(ctx, max(interval, sampleGap)); err != nil {
			return nil
		}
		now := a.sample(ctx, request.Tasks)
		if err := w.send(compare(before, now)); err != nil {
			return err
		}
		if request.Interval == 0 {
			return w.write(wire.End, nil)
		}
		before = now
	}
}

type sample struct {
	task  *task
	name  string
	stats runtime.Stats
}

// sample asks for every running container's numbers, by container.
func (a *Agent) sample(ctx context.Context, tasks []string) map[string]sample {
	a.mu.Lock()
	chosen := make(map[string]*task)
	for id, t := range a.byID {
		if len(tasks) == 0 || slices.Contains(tasks, t.id) {
			chosen[id] = t
		}
	}
	a.mu.Unlock()
	samples := make(map[string]sample)
	for id, t := range chosen {
		stats, err := a.config.Runtime.Stats(ctx, id)
		if err != nil {
			continue // ended meanwhile: it has no numbers
		}
		name := ""
		t.mu.Lock()
		if t.container != nil {
			name = t.container.Task.Name
		}
		t.mu.Unlock()
		samples[id] = sample{task: t, name: name, stats: stats}
	}
	return samples
}

// compare turns two samples into what people see.
func compare(before, now map[string]sample) []api.ContainerStats {
	list := make([]api.ContainerStats, 0, len(now))
	for id, s := range now {
		stats := api.ContainerStats{
			Container: id, Task: s.task.id, Name: s.name, Time: s.stats.Time,
			Memory: s.stats.Memory, MemoryLimit: s.stats.MemoryLimit, Pids: s.stats.Pids,
			BlockRead: s.stats.BlockRead, BlockWrite: s.stats.BlockWrite,
		}
		if old, found := before[id]; found {
			if passed := s.stats.Time.Sub(old.stats.Time); passed > 0 {
				stats.CPUPercent = 100 * float64(s.stats.CPU-old.stats.CPU) / float64(passed)
			}
		}
		list = append(list, stats)
	}
	slices.SortFunc(list, func(a, b api.ContainerStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container))
	})
	return list
}
