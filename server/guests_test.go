package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

// promptly is how soon who is not to be there must be out: a second, and some for a
// machine under load.
const promptly = 5 * time.Second

// house is a manager with requests that go on: by another manager, by a user and by a
// worker.
type house struct {
	*target
	manager, user *http.Client
	worker        *worker
	streams       chan (<-chan struct{}) // the worker's ends of streams: each is closed when it has ended
}

func newHouse(t *testing.T) *house {
	h := &house{target: newTarget(t), streams: make(chan (<-chan struct{}), 10)}
	h.put(&api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleManager, API: "10.0.0.2:6720"})
	h.put(&api.Service{Meta: api.Meta{ID: "service1"}, Name: "web", Current: 1})
	h.put(&api.Revision{Meta: api.Meta{ID: "service1.1"}, Service: "service1", Number: 1, Spec: api.ServiceSpec{Name: "web"}})
	h.put(&api.Task{Meta: api.Meta{ID: "task1"}, Service: "service1", Revision: 1, Slot: 1, Node: "w1", Desired: api.DesiredRun})
	h.put(&api.TaskStatus{Meta: api.Meta{ID: "task1"}, Node: "w1", State: api.TaskRunning, Attempts: []api.Attempt{{Container: "container1"}}})
	h.worker = h.work("w1", func(w *worker, open wire.Open) {
		said, says := io.Pipe()
		response, err := w.answer(open.ID, said)
		if err != nil {
			return
		}
		ended := make(chan struct{})
		h.streams <- ended
		_, _ = io.Copy(io.Discard, response.Body) // it never says a word
		says.Close()
		response.Body.Close()
		close(ended)
	})
	require.Eventually(t, func() bool {
		status := store.Get[api.NodeStatus](h.store.Snapshot(), "w1")
		return status != nil && status.State == api.NodeReady
	}, patience, time.Millisecond)
	h.manager = h.client(h.certificate("m2", ca.RoleManager).Client())
	h.user = h.client(h.certificate("ann", ca.RoleClient).Client())
	return h
}

// begin sends a request whose body has no end, and waits for the answer's beginning. The
// channel is closed at its end.
func (h *house) begin(client *http.Client, method, path string, says []byte) <-chan struct{} {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	var body io.Reader
	if says != nil {
		said, more := io.Pipe()
		h.t.Cleanup(func() { more.Close() })
		body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(says), said), said}
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+h.address+path, body)
	require.NoError(h.t, err)
	response, err := client.Do(request)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, response.StatusCode, path)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	return ended
}

// all begins one request of each kind that can last.
func (h *house) all(client *http.Client) map[string]<-chan struct{} {
	h.t.Helper()
	exec, err := json.Marshal(wire.ExecRequest{Task: "task1", Args: []string{"sh"}})
	require.NoError(h.t, err)
	var frame, relay bytes.Buffer
	require.NoError(h.t, wire.WriteFrame(&frame, wire.Data, exec))
	require.NoError(h.t, wire.Write(&relay, &wire.Open{Do: &wire.DoRequest{}}))
	all := map[string]<-chan struct{}{
		"events": h.begin(client, http.MethodGet, "/v1/events?follow=1", nil),
		"logs":   h.begin(client, http.MethodGet, "/v1/logs?task=task1&follow=1", nil),
		"stats":  h.begin(client, http.MethodGet, "/v1/stats?stream=1", nil),
		"exec":   h.begin(client, http.MethodPost, "/v1/exec", frame.Bytes()),
	}
	if client == h.manager {
		all["relay"] = h.begin(client, http.MethodPost, "/v1/relay/w1", relay.Bytes())
	}
	return all
}

func (h *house) requireOut(what string, ended <-chan struct{}) {
	h.t.Helper()
	select {
	case <-ended:
	case <-time.After(promptly):
		h.t.Errorf("%s: it goes on", what)
	}
}

func (h *house) remove(node string) {
	h.t.Helper()
	tx := &store.Tx{}
	tx.Remove(api.KindNode, node)
	_, err := h.store.Commit(h.t.Context(), tx)
	require.NoError(h.t, err)
}

func TestWhatARemovedManagerAskedForEnds(t *testing.T) {
	h := newHouse(t)
	theirs, users := h.all(h.manager), h.all(h.user)
	h.remove("m2")
	for what, ended := range theirs {
		h.requireOut(what, ended)
	}
	for what, ended := range users {
		select {
		case <-ended:
			t.Error(what, "of another ended too")
		default:
		}
	}
}

func TestWhatADemotedManagerAskedForEnds(t *testing.T) {
	h := newHouse(t)
	theirs := h.all(h.manager)
	h.put(&api.Node{Meta: api.Meta{ID: "m2"}, Name: "m2", Role: api.RoleWorker})
	for what, ended := range theirs {
		h.requireOut(what, ended)
	}
}

func TestARemovedWorkersStreamsEnd(t *testing.T) {
	h := newHouse(t)
	users := h.begin(h.user, http.MethodGet, "/v1/logs?task=task1", nil)
	stream := <-h.streams
	h.remove("w1")
	h.requireOut("the worker's stream", stream)
	h.requireOut("what a user asked of it", users)
	h.requireOut("its session", h.worker.ended)
}

// TestWhatWasAskedForByAReplacedRootEnds replaces the CA while requests go on.
func TestWhatWasAskedForByAReplacedRootEnds(t *testing.T) {
	h := newHouse(t)
	theirs, users := h.all(h.manager), h.all(h.user)
	next, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	request, key, err := ca.NewRequest()
	require.NoError(t, err)
	certificate, err := next.SignNode(request, "m1", api.RoleManager, 0, time.Now())
	require.NoError(t, err)
	require.NoError(t, h.own.Replace(certificate, key, append(bytes.Clone(h.authority.Roots()), next.Roots()...)))
	for what, ended := range users {
		select {
		case <-ended:
			t.Error(what, "ended while its root is still trusted")
		case <-time.After(50 * time.Millisecond):
		}
	}
	require.NoError(t, h.own.Replace(certificate, key, next.Roots()))
	for _, each := range []map[string]<-chan struct{}{theirs, users} {
		for what, ended := range each {
			h.requireOut(what, ended)
		}
	}
}
