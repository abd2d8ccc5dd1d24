package containerd

import (
	"context"
	"fmt"
	"time"

	types "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/typeurl/v2"
	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime"
)

// readyTopic is of an event that this package sends to itself.
const readyTopic = "/orc/subscribed"

// Events implements runtime.Runtime. containerd says nothing when a subscription
// is in force, so an event of our own is sent until it comes back.
func (r *Runtime) Events(ctx context.Context) (<-chan runtime.Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	service := r.client.EventService()
	incoming, failed := service.Subscribe(ctx,
		fmt.Sprintf(`namespace==%s,topic~="^/tasks/(exit|oom)$"`, namespace),
		fmt.Sprintf("namespace==%s,topic==%q", namespace, readyTopic))
	token := &types.ContainerUpdate{ID: "subscription-" + randomName()}
	early, err := r.subscribed(ctx, incoming, failed, token)
	if err != nil {
		cancel()
		return nil, explain("subscribe to containerd's events", err)
	}
	out := make(chan runtime.Event, 64)
	go func() {
		defer cancel()
		defer close(out)
		for _, event := range early {
			if !deliver(ctx, out, event) {
				return
			}
		}
		for {
			select {
			case envelope := <-incoming:
				if event, ok := r.translate(envelope); ok && !deliver(ctx, out, event) {
					return
				}
			case err := <-failed:
				if err != nil && ctx.Err() == nil {
					r.log.Warn("containerd's events end", zap.Error(err))
				}
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func deliver(ctx context.Context, out chan<- runtime.Event, event runtime.Event) bool {
	select {
	case out <- event:
		return true
	case <-ctx.Done():
		return false
	}
}

// subscribed waits until the token comes back, and returns what came before it.
func (r *Runtime) subscribed(ctx context.Context, incoming <-chan *events.Envelope, failed <-chan error, token *types.ContainerUpdate) ([]runtime.Event, error) {
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var early []runtime.Event
	for {
		if err := r.client.EventService().Publish(ctx, readyTopic, token); err != nil {
			return nil, err
		}
	waiting:
		for {
			select {
			case envelope := <-incoming:
				if envelope == nil {
					continue
				}
				if envelope.Topic == readyTopic {
					if isToken(envelope, token.ID) {
						return early, nil
					}
					continue
				}
				if event, ok := r.translate(envelope); ok {
					early = append(early, event)
				}
			case err := <-failed:
				if err == nil {
					err = context.Canceled
				}
				return nil, err
			case <-again.C:
				break waiting
			case <-limit.C:
				return nil, context.DeadlineExceeded
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
}

func isToken(envelope *events.Envelope, id string) bool {
	decoded, err := typeurl.UnmarshalAny(envelope.Event)
	if err != nil {
		return false
	}
	update, ok := decoded.(*types.ContainerUpdate)
	return ok && update.ID == id
}

// translate takes what the contract knows out of an event; the end of an exec is
// none.
func (r *Runtime) translate(envelope *events.Envelope) (runtime.Event, bool) {
	if envelope == nil || envelope.Event == nil {
		return runtime.Event{}, false
	}
	decoded, err := typeurl.UnmarshalAny(envelope.Event)
	if err != nil {
		return runtime.Event{}, false
	}
	switch e := decoded.(type) {
	case *types.TaskExit:
		if e.ID != e.ContainerID {
			return runtime.Event{}, false
		}
		end := r.remember(e.ContainerID, int(e.ExitStatus), e.ExitedAt.AsTime())
		return runtime.Event{ID: e.ContainerID, Time: end.Time, Exited: true, ExitCode: end.Code, OOM: end.OOM}, true
	case *types.TaskOOM:
		return runtime.Event{ID: e.ContainerID, Time: envelope.Timestamp, OOM: true}, true
	}
	return runtime.Event{}, false
}
