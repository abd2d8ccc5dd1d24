package cli_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestRevisionsOfAnAppAreCompared(t *testing.T) {
	f := newFake(t)
	revision := func(number int, image, password string) api.RevisionView {
		return api.RevisionView{Number: number, App: &api.AppSpec{Name: "shop",
			Services: map[string]api.ServiceSpec{"web": {Container: api.ContainerSpec{Image: image}}},
			Secrets:  map[string]api.FileSpec{"key": {Data: []byte(password)}}}}
	}
	f.on("GET /v1/apps/shop", json.RawMessage(`{"id":"a1","name":"shop","current":4,"last":4}`))
	f.on("GET /v1/apps/a1/revisions", []api.RevisionView{revision(4, "web:3", "c"), revision(3, "web:2", "b"), revision(1, "web:1", "b")})
	require.Equal(t, "secrets.key.data: changed\nservices.web.container.image: web:2 → web:3\n", f.ok("app", "diff", "shop"))
	require.Equal(t, "services.web.container.image: web:1 → web:2\n", f.ok("app", "diff", "shop", "1", "3"))
	code, _, errors := f.orc("app", "diff", "shop", "2")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "app shop has no revision 2: `orc app history shop` lists them")
	code, _, _ = f.orc("app", "diff", "shop", "two")
	require.Equal(t, 2, code)
}
