package image_test

import (
	"context"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/image"
)

// serve is a registry that wraps the in-process one; it returns its host.
func serve(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func build(t *testing.T, arch string) v1.Image {
	t.Helper()
	built, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch,
		Config: v1.Config{ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}}})
	require.NoError(t, err)
	return built
}

func parse(t *testing.T, ref string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	require.NoError(t, err)
	return parsed
}

func TestATagBecomesADigest(t *testing.T) {
	ref := serve(t, nil) + "/web:1.0"
	built := build(t, "amd64")
	require.NoError(t, remote.Write(parse(t, ref), built))
	want, err := built.Digest()
	require.NoError(t, err)

	var r image.Resolver
	digest, config, err := r.Resolve(context.Background(), ref, "")
	require.NoError(t, err)
	require.Equal(t, want.String(), digest)
	require.Equal(t, api.ImageConfig{Platforms: []api.Platform{{OS: "linux", Arch: "amd64"}}, ExposedPorts: []string{"53/udp", "80/tcp"}}, config)
}

func TestAnIndexTellsAllPlatforms(t *testing.T) {
	ref := serve(t, nil) + "/web:1.0"
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: build(t, "amd64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: build(t, "arm64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	require.NoError(t, remote.WriteIndex(parse(t, ref), index))
	want, err := index.Digest()
	require.NoError(t, err)

	var r image.Resolver
	digest, config, err := r.Resolve(context.Background(), ref, "")
	require.NoError(t, err)
	require.Equal(t, want.String(), digest)
	require.Equal(t, []api.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}, config.Platforms)
	require.Equal(t, []string{"53/udp", "80/tcp"}, config.ExposedPorts)
}

func TestAPrivateImageNeedsALogin(t *testing.T) {
	host := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch &&
				(user != "ann" || password != "secret") {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	ref := host + "/web:1.0"
	auth := base64.URLEncoding.EncodeToString([]byte(`{"username":"ann","password":"secret"}`))
	wrong := base64.StdEncoding.EncodeToString([]byte(`{"username":"ann","password":"guess"}`))
	r := image.Resolver{}
	for _, login := range []string{"", wrong} {
		_, _, err := r.Resolve(context.Background(), ref, login)
		require.Equal(t, api.CodeUnauthorized, api.CodeOf(err), "%v", err)
	}
	_, _, err := r.Resolve(context.Background(), ref, auth)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err), "let in, and there is no such image: %v", err)
}

func TestWhatGoesWrongIsOneLine(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent := make(chan struct{})
	hanging := serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-silent:
			case <-r.Context().Done():
			}
		})
	})
	defer close(silent)
	huge := serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
				_, _ = io.CopyN(w, zeros{}, image.MaxManifestSize+10)
			}
		})
	})
	for _, test := range []struct {
		name, ref, auth string
		timeout         time.Duration
		code            api.Code
		text            string
	}{
		{name: "missing", ref: serve(t, nil) + "/none:1", code: api.CodeNotFound, text: "has no such image"},
		{name: "unreachable", ref: strings.TrimPrefix(closed.URL, "http://") + "/web:1", code: api.CodeUnavailable, text: "cannot be reached"},
		{name: "silent", ref: hanging + "/web:1", timeout: 50 * time.Millisecond, code: api.CodeUnavailable, text: "did not answer in time"},
		{name: "huge", ref: huge + "/web:1", code: api.CodeInvalid, text: "larger than"},
		{name: "reference", ref: "Not An Image", code: api.CodeInvalid, text: "not a valid reference"},
		{name: "auth", ref: "web:1", auth: "%%%", code: api.CodeInvalid, text: "not base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := image.Resolver{Timeout: test.timeout}
			_, _, err := r.Resolve(context.Background(), test.ref, test.auth)
			require.ErrorContains(t, err, test.text)
			require.Equal(t, test.code, api.CodeOf(err))
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
