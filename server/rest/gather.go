package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/sleep"
	"github.com/orc-project/orc/store"
)

const (
	// gatherTimeout is how long nodes have to tell what they have.
	gatherTimeout = 20 * time.Second
	// pruneTimeout is how long they have to remove it.
	pruneTimeout = 5 * time.Minute
	// reconnect is how long a node that is up may be without a connection until it is
	// told of as away; reconnectPause is between two tries.
	reconnect      = time.Second
	reconnectPause = 100 * time.Millisecond
)

// gathered is one node's answer.
type gathered[T any] struct {
	node  *api.Node
	value T
	err   error // why there is none
}

// away tells of a node without an answer.
func (g gathered[T]) away() api.NodeAway {
	return api.NodeAway{Node: g.node.ID, NodeName: g.node.Name, Message: tell(g.err).Message}
}

// gather asks nodes for one thing each, all at once. The answers are in the order
// of the nodes; a node that is away is not waited for.
func gather[T any](ctx context.Context, a *API, timeout time.Duration, nodes []*api.Node, request func(*api.Node) *wire.DoRequest) []gathered[T] {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	snapshot := a.store.Snapshot()
	answers := make([]gathered[T], len(nodes))
	var asking sync.WaitGroup
	for i, node := range nodes {
		answers[i].node = node
		wanted := request(node)
		if wanted == nil {
			continue
		}
		if sessionOf(snapshot, node.ID) == "" {
			answers[i].err = api.Errorf(api.CodeUnavailable, "the node is down")
			continue
		}
		asking.Go(func() {
			payload, err := a.askAgain(ctx, node.ID, *wanted)
			if err == nil {
				err = wire.UnmarshalAnswer(payload, &answers[i].value)
			}
			answers[i].err = err
		})
	}
	asking.Wait()
	return answers
}

// askAgain is askFor with some patience for a node that is just connecting: it is
// not down.
func (a *API) askAgain(ctx context.Context, node string, request wire.DoRequest) ([]byte, error) {
	for deadline := time.Now().Add(reconnect); ; {
		payload, err := a.askFor(ctx, node, request)
		if api.CodeOf(err) != api.CodeUnavailable || ctx.Err() != nil || time.Now().After(deadline) {
			return payload, err
		}
		_ = sleep.For(ctx, reconnectPause) // its end is seen above
	}
}

// same asks every node for the same.
func same(request wire.DoRequest) func(*api.Node) *wire.DoRequest {
	return func(*api.Node) *wire.DoRequest { return &request }
}

// workers are the nodes that run containers, by name, or the one that a request
// names with `node`.
func (a *API) workers(s *store.Snapshot, ref string) ([]*api.Node, error) {
	if ref != "" {
		node, err := a.findNode(s, ref)
		if err != nil {
			return nil, err
		}
		if !node.Runs {
			return nil, api.Invalidf("node %s runs no containers: it has nothing of them", node.Name)
		}
		return []*api.Node{node}, nil
	}
	var workers []*api.Node
	for _, node := range list[api.Node](s) {
		if node.Runs {
			workers = append(workers, node)
		}
	}
	return workers, nil
}

var diskRoutes = []Route{
	{Method: "GET", Path: "/v1/usage", Access: Users, Does: "what the nodes keep on their disks; `node=`", handler: (*API).usage},
	{Method: "POST", Path: "/v1/prune", Access: Users, Does: "remove from the nodes what nothing uses", handler: (*API).prune},
}

func (a *API) usage(w http.ResponseWriter, r *http.Request) error {
	nodes, err := a.workers(a.store.Snapshot(), r.URL.Query().Get("node"))
	if err != nil {
		return err
	}
	views := []api.NodeUsage{}
	for _, answer := range gather[wire.DiskUsage](r.Context(), a, gatherTimeout, nodes, same(wire.DoRequest{Usage: true})) {
		view := api.NodeUsage{
			Node: answer.node.ID, NodeName: answer.node.Name,
			Images: answer.value.Images, Containers: answer.value.Containers, Volumes: answer.value.Volumes, Logs: answer.value.Logs,
			Total: answer.value.Total, Free: answer.value.Free,
		}
		if answer.err != nil {
			view.Message = answer.away().Message
		}
		views = append(views, view)
	}
	return reply(w, views)
}
