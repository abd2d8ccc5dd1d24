package fake

import (
	"context"
	"sync"
	"time"

	"github.com/orc-project/orc/runtime"
)

// watcher is a subscription. Its queue has no bound, so that ending a container
// never waits for a reader.
type watcher struct {
	mu    sync.Mutex
	queue []runtime.Event
	wake  chan struct{} // capacity 1
	done  chan struct{}
	once  sync.Once
}

// Events implements runtime.Runtime.
func (r *Runtime) Events(ctx context.Context) (<-chan runtime.Event, error) {
	if err := r.enter(ctx, "Events"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	w := &watcher{wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.watchers[w] = struct{}{}
	out := make(chan runtime.Event)
	go func() {
		defer close(out)
		defer func() {
			r.mu.Lock()
			delete(r.watchers, w)
			r.mu.Unlock()
		}()
		w.deliver(ctx, out)
	}()
	return out, nil
}

// Exit ends a running container's process with a code, as if by itself. It says
// whether the container was running.
func (r *Runtime) Exit(id string, code int) bool { return r.stop(id, code, false) }

// OOM ends a running container as the kernel does that runs out of memory for it.
func (r *Runtime) OOM(id string) bool { return r.stop(id, 137, true) }

func (r *Runtime) stop(id string, code int, oom bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil || c.State != runtime.Running {
		return false
	}
	r.end(c, code, oom)
	return true
}

// end ends a running container and tells the watchers. The lock is held.
func (r *Runtime) end(c *container, code int, oom bool) {
	c.finish(code, oom)
	if oom {
		r.publish(runtime.Event{ID: c.ID, Time: time.Now(), OOM: true})
	}
	r.publish(runtime.Event{ID: c.ID, Time: c.Finished, Exited: true, ExitCode: code, OOM: oom})
}

func (r *Runtime) publish(event runtime.Event) {
	for w := range r.watchers {
		w.mu.Lock()
		w.queue = append(w.queue, event)
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) deliver(ctx context.Context, out chan<- runtime.Event) {
	for {
		w.mu.Lock()
		batch := w.queue
		w.queue = nil
		w.mu.Unlock()
		for _, event := range batch {
			select {
			case out <- event:
			case <-ctx.Done():
				return
			case <-w.done:
				return
			}
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		case <-w.done:
			return
		}
	}
}

func (w *watcher) end() { w.once.Do(func() { close(w.done) }) }
