package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// FuzzServiceSpec drafts a service of whatever decodes: it must not panic, and
// what is accepted must be accepted again as it is, without a difference.
func FuzzServiceSpec(f *testing.F) {
	for _, spec := range shop().Services {
		data, err := json.Marshal(api.ServiceCreate{Spec: spec})
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Add(`{"spec": {"name": "x", "container": {"image": "web", "stopGrace": "5s"}, "mode": "global"}}`)
	f.Add(`{"spec": {"name": "x", "container": {"image": "web@sha256:0"}, "ports": [{"target": 80}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		request, err := decodeFrom[api.ServiceCreate](strings.NewReader(text))
		if err != nil {
			return
		}
		images := deploy.Images{Snapshot: store.NewSnapshot(1), Registry: registry{}}
		if images.Resolve(t.Context(), &request.Spec, nil, true) != nil {
			return
		}
		draft := newDraft(store.NewSnapshot(1))
		service, err := draft.CreateService(request.Spec)
		if err != nil {
			return
		}
		snapshot := applied(draft)
		stored := store.Get[api.Service](snapshot, service.ID)
		spec := deploy.CurrentSpec(snapshot, stored)
		require.NotNil(t, spec)
		again := newDraft(snapshot)
		require.NoError(t, again.UpdateService(stored, *spec, 0, false))
		require.False(t, again.Changed(), "%v", again.Steps)
	})
}

// FuzzAppSpec is the same for apps.
func FuzzAppSpec(f *testing.F) {
	data, err := json.Marshal(api.AppDeploy{Spec: shop()})
	require.NoError(f, err)
	f.Add(string(data))
	f.Fuzz(func(t *testing.T, text string) {
		request, err := decodeFrom[api.AppDeploy](strings.NewReader(text))
		if err != nil {
			return
		}
		snapshot := store.NewSnapshot(1)
		resolve := func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }
		if deploy.PrepareApp(resolve, snapshot, &request.Spec) != nil {
			return
		}
		draft := newDraft(snapshot)
		if _, err := draft.Deploy(request.Spec, request.Prune); err != nil {
			return
		}
		again := newDraft(applied(draft))
		_, err = again.Deploy(request.Spec, request.Prune)
		require.NoError(t, err)
		require.False(t, again.Changed(), "%v", again.Steps)
	})
}

func newDraft(s *store.Snapshot) *deploy.Draft {
	return deploy.NewDraft(s, time.Unix(1, 0), api.NewID)
}

// applied is the snapshot after a draft, as a database would have it.
func applied(draft *deploy.Draft) *store.Snapshot {
	builder := store.NewBuilder(draft.Snapshot())
	revision := draft.Snapshot().Revision() + 1
	tx := draft.Tx()
	for _, op := range tx.Ops() {
		switch op.Verb {
		case store.Put:
			value, err := store.Encode(op.Object)
			if err != nil {
				panic(err)
			}
			object, err := store.Decode(op.Kind, revision, value)
			if err != nil {
				panic(err)
			}
			builder.Put(object)
		case store.Delete:
			builder.Delete(op.Kind, op.ID)
		}
	}
	return builder.Snapshot(revision)
}

// FuzzRequest sends any body and query to any route: what is wrong with them is the
// user's to know, never a failure of the manager.
func FuzzRequest(f *testing.F) {
	bodies := []any{
		api.ServiceCreate{Spec: shop().Services["web"]}, api.AppDeploy{Spec: shop()}, api.FileSpec{Name: "x", Data: []byte("x")}, api.NetworkSpec{Name: "x"},
		api.VolumeSpec{Name: "x"}, api.JoinRequest{Secret: "x", Role: api.RoleWorker}, api.TokenRequest{Role: api.RoleWorker, Uses: 1},
		api.Settings{NodeTimeout: 1}, api.ClientRequest{Name: "x"}, api.NodeUpdate{}, api.FileUpdate{Data: []byte("x")}, api.MemberRequest{Peer: "a:1", API: "a:2"},
	}
	for i := range Routes() {
		body, err := json.Marshal(bodies[i%len(bodies)])
		require.NoError(f, err)
		f.Add(uint8(i), "n2", "force=1&since=1s&tail=1", body)
	}
	f.Fuzz(func(t *testing.T, index uint8, ref, query string, body []byte) {
		route := Routes()[int(index)%len(Routes())]
		m := newManager(t)
		path := strings.NewReplacer("{ref}", url.PathEscape(ref), "{role}", url.PathEscape(ref)).Replace(route.Path)
		address, err := url.Parse(path)
		if err != nil {
			return
		}
		if values, err := url.ParseQuery(query); err == nil {
			values.Del("follow") // which does not end by itself
			values.Del("stream")
			address.RawQuery = values.Encode()
		}
		request := httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{ID: "n1id", Role: ca.RoleManager}), route.Method, "/", bytes.NewReader(body))
		request.URL = address
		answer := httptest.NewRecorder()
		m.api.ServeHTTP(answer, request)
		require.NotEqual(t, http.StatusInternalServerError, answer.Code, "%s %s: %s", route.Method, address, answer.Body)
	})
}
