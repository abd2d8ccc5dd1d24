package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestAHistoryBeginsWithWhatAPersonChanged(t *testing.T) {
	f := newFake(t)
	old, fresh := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	changes := []string{"container.digest: " + old + " → " + fresh, "container.image: web:1 → web:2", "digest.x: 1 → 2"}
	f.on("GET /v1/services/web/revisions", []api.RevisionView{{Number: 2, Current: true, Image: "web:2", Changes: changes}})
	require.Equal(t, "container.image: web:1 → web:2; digest.x: 1 → 2; container.digest: sha256:aaaaa…\n", f.ok("service", "history", "web", "--format", "{{.Changes}}"))
	require.Contains(t, f.ok("service", "history", "web", "--no-trunc"), strings.Join(changes, "; "))
}
