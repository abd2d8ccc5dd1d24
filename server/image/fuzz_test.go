package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// answers is a registry that says what it is told to.
type answers struct {
	mediaType        string
	manifest, config []byte
}

func (a answers) RoundTrip(request *http.Request) (*http.Response, error) {
	body := a.config
	header := http.Header{}
	switch {
	case request.URL.Path == "/v2/":
		body = nil
	case strings.Contains(request.URL.Path, "/manifests/"):
		body = a.manifest
		header.Set("Content-Type", a.mediaType)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request}, nil
}

// FuzzResolve lets a registry answer anything: the reply is bounded, or an error for
// the user on one line.
func FuzzResolve(f *testing.F) {
	const dockerManifest, ociIndex = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.index.v1+json"
	config := `{"os": "linux", "architecture": "amd64", "config": {"ExposedPorts": {"80/tcp": {}}}}`
	sum := sha256.Sum256([]byte(config))
	manifest := fmt.Sprintf(`{"schemaVersion": 2, "mediaType": %q, "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": %d, "digest": "sha256:%s"}, "layers": []}`,
		dockerManifest, len(config), hex.EncodeToString(sum[:]))
	f.Add(dockerManifest, []byte(manifest), []byte(config))
	f.Add(ociIndex, []byte(`{"manifests": [{"platform": {"os": "linux"}, "mediaType": "`+dockerManifest+`", "digest": "sha256:00"}]}`), []byte("{"))
	f.Fuzz(func(t *testing.T, mediaType string, manifest, config []byte) {
		resolver := &Resolver{Transport: answers{mediaType, manifest, config}}
		digest, found, err := resolver.Resolve(t.Context(), "registry.example.com/web:1", "")
		if err != nil {
			require.NotEqual(t, api.CodeInternal, api.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, strings.HasPrefix(digest, "sha256:"), digest)
		require.LessOrEqual(t, len(found.Platforms), MaxPlatforms)
	})
}
