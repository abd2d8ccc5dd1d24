package containerd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

// hub is a registry in this process: anonymous, or behind a login that is basic or
// by token.
type hub struct {
	*httptest.Server
	requests atomic.Int64
	login    string // "", "basic" or "token"
}

func newHub(t *testing.T, login string) *hub {
	h := &hub{login: login}
	content := registry.New(registry.Logger(stdlog.New(io.Discard, "", 0)))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		h.requests.Add(1)
		user, password, basic := request.BasicAuth()
		right := basic && user == "ada" && password == "secret"
		switch {
		case request.URL.Path == "/token" && right:
			json.NewEncoder(w).Encode(map[string]string{"token": "a-token"})
		case request.URL.Path == "/token":
			w.WriteHeader(http.StatusUnauthorized)
		case login == "basic" && !right:
			w.Header().Set("WWW-Authenticate", `Basic realm="hub"`)
			w.WriteHeader(http.StatusUnauthorized)
		case login == "token" && request.Header.Get("Authorization") != "Bearer a-token":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+h.URL+`/token",service="hub",scope="repository:app:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			content.ServeHTTP(w, request)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) name(image string) string { return strings.TrimPrefix(h.URL, "http://") + "/" + image }

// push puts an image there and returns its digest.
func (h *hub) push(t *testing.T, image string, content v1.Image) string {
	ref, err := name.ParseReference(h.name(image))
	require.NoError(t, err)
	login := authn.Anonymous
	if h.login != "" {
		login = &authn.Basic{Username: "ada", Password: "secret"}
	}
	require.NoError(t, remote.Write(ref, content, remote.WithAuth(login), remote.WithTransport(&http.Transport{DisableKeepAlives: true})))
	digest, err := content.Digest()
	require.NoError(t, err)
	return digest.String()
}

func auth(user, password string) string {
	data, _ := json.Marshal(map[string]string{"username": user, "password": password})
	return base64.URLEncoding.EncodeToString(data)
}

func TestPull(t *testing.T) {
	n := open(t)
	program := runtimetest.BuildProgram(t)
	image := runtimetest.Image(t, []runtimetest.Entry{{Path: "/app", Data: program, Mode: 0o755}}, nil)
	for _, login := range []string{"", "basic", "token"} {
		t.Run("login "+login, func(t *testing.T) {
			h := newHub(t, login)
			digest := h.push(t, "app:1", image)
			ref := runtime.ImageRef{Name: h.name("app:1")}
			if login != "" {
				for _, wrong := range []string{"", auth("ada", "wrong")} {
					ref.Auth = wrong
					_, err := n.Pull(t.Context(), ref, nil)
					require.ErrorIs(t, err, runtime.ErrUnauthorized)
					require.NotContains(t, err.Error(), "\n")
				}
				ref.Auth = auth("ada", "secret")
			}
			var mu sync.Mutex
			var done, total int64
			pulled, err := n.Pull(t.Context(), ref, func(d, of int64) {
				mu.Lock()
				defer mu.Unlock()
				done, total = d, of
			})
			require.NoError(t, err)
			require.Equal(t, digest, pulled.Digest)
			require.Equal(t, []string{"/app"}, pulled.Config.Entrypoint)
			mu.Lock()
			require.Equal(t, total, done)
			require.Greater(t, total, int64(len(program)/4))
			mu.Unlock()

			// Pinned, it is here: no request goes out, in whichever way it is named.
			before := h.requests.Load()
			for range 3 {
				again, err := n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:other"), Digest: digest}, nil)
				require.NoError(t, err)
				require.Equal(t, digest, again.Digest)
			}
			require.Equal(t, before, h.requests.Load())

			_, err = n.Pull(t.Context(), runtime.ImageRef{Name: h.name("none:1"), Auth: ref.Auth}, nil)
			require.ErrorIs(t, err, runtime.ErrImageMissing)
		})
	}
}

func TestMovedTagKeepsWhatIsPinned(t *testing.T) {
	n, h := open(t), newHub(t, "")
	program := runtimetest.BuildProgram(t)
	build := func(version string) v1.Image {
		return runtimetest.Image(t, []runtimetest.Entry{
			{Path: "/app", Data: program, Mode: 0o755}, {Path: "/version", Data: []byte(version), Mode: 0o644},
		}, nil)
	}
	first := h.push(t, "app:1", build("one"))
	_, err := n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:1"), Digest: first}, nil)
	require.NoError(t, err)
	second := h.push(t, "app:1", build("two"))
	moved, err := n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:1")}, nil)
	require.NoError(t, err)
	require.Equal(t, second, moved.Digest)
	for digest, version := range map[string]string{first: "one", second: "two"} {
		spec := n.spec(t, "read", "/version")
		spec.Image = runtime.ImageRef{Name: h.name("app:1"), Digest: digest}
		output, _ := n.run(t, spec)
		require.Equal(t, version, output)
	}
	require.NoError(t, n.RemoveImage(t.Context(), h.name("app:1")))
	_, err = n.info(t.Context(), runtime.ImageRef{Name: h.name("app:1"), Digest: second})
	require.ErrorIs(t, err, runtime.ErrImageMissing)
	list, err := n.ListImages(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1, "the first is there still, by its digest")
	require.Equal(t, first, list[0].Digest)
	require.NoError(t, n.RemoveImage(t.Context(), list[0].Name))
	until(t, "no content", func(ctx context.Context) bool { return len(contents(t, ctx, n)) == 0 })
}

func TestUnreachableRegistryFallsBackToWhatIsHere(t *testing.T) {
	n, h := open(t), newHub(t, "")
	image := runtimetest.Image(t, []runtimetest.Entry{{Path: "/app", Data: []byte("x"), Mode: 0o755}}, nil)
	h.push(t, "app:1", image)
	_, err := n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:1")}, nil)
	require.NoError(t, err)
	h.Close()
	_, err = n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:1")}, nil)
	require.NoError(t, err)
	_, err = n.Pull(t.Context(), runtime.ImageRef{Name: h.name("app:2")}, nil)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\n")
}
