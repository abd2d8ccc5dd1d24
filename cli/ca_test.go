package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestARotationOfTheCAIsFollowed(t *testing.T) {
	f := newFake(t)
	wait := func(name string, away bool) api.CAWait { return api.CAWait{Name: name, Away: away} }
	views := []api.CAView{
		{Phase: api.CATrust, Nodes: 3, Waiting: []api.CAWait{wait("m1", false), wait("w1", false), wait("w2", true)}},
		{Phase: api.CATrust, Nodes: 3, Waiting: []api.CAWait{wait("w2", true)}},
		{Phase: api.CARenew, Nodes: 2, Waiting: []api.CAWait{wait("w1", false)}},
		{Phase: api.CADrop, Nodes: 2},
		{Nodes: 2, Restart: []string{"m1"}},
	}
	next := func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(views[0])
		views = views[1:]
	}
	f.mux.HandleFunc("POST /v1/ca/rotate", next)
	f.mux.HandleFunc("GET /v1/ca/status", next)
	code, _, errors := f.orc("ca", "rotate")
	require.Zero(t, code, errors)
	require.Equal(t, `every node trusts the new CA too: 0 of 3; waiting for m1, w1; away: w2
every node trusts the new CA too: 2 of 3; away: w2
every node gets a certificate of the new CA: 1 of 2; waiting for w1
every node forgets the old CA: 2 of 2
the CA is rotated; join tokens and contexts of before are void: `+"`orc token worker` and `orc context create`"+` make new ones
The databases of m1 trust the old CA still when they dial another manager: restart orc there, one after the other
`, errors)
}

func TestTheCAIsShown(t *testing.T) {
	f := newFake(t)
	ends := time.Date(2046, 11, 23, 0, 0, 0, 0, time.UTC)
	f.on("GET /v1/ca/status", api.CAView{
		Roots: []api.RootView{{Digest: "aa", Subject: "CN=old", Ends: ends, Issues: true}, {Digest: "bb", Subject: "CN=new", Ends: ends}},
		Phase: api.CATrust, Nodes: 1, Waiting: []api.CAWait{{Name: "w1"}},
	})
	require.Equal(t, `aa
    CN=old, until 2046-11-23 (issues certificates)
bb
    CN=new, until 2046-11-23 (is trusted)

It is being rotated: every node trusts the new CA too: 0 of 1; waiting for w1
`, f.ok("ca", "show"))
	require.Equal(t, "trust w1\n", f.ok("ca", "inspect", "-f", "{{.Phase}}{{range .Waiting}} {{.Name}}{{end}}"))
}

func TestACAOfOnesOwnIsRead(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/ca/rotate", api.CAView{Phase: api.CATrust})
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	certificate, key, empty := file("ca.crt", "certificate"), file("ca.key", "key"), file("empty", "")
	f.ok("ca", "rotate", "-d", "--ca-cert", certificate, "--ca-key", key)
	require.Equal(t, api.RotateCA{Certificate: []byte("certificate"), Key: []byte("key")}, sent[api.RotateCA](f))
	for want, args := range map[string][]string{
		"belong together": {"--ca-cert", certificate},
		"no such file":    {"--ca-cert", certificate, "--ca-key", empty + "x"},
		"is empty":        {"--ca-cert", empty, "--ca-key", empty},
	} {
		code, _, errors := f.orc(append([]string{"ca", "rotate"}, args...)...)
		require.NotZero(t, code)
		require.Contains(t, errors, want)
	}
}
