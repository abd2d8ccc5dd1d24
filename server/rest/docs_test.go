package rest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of routes in docs/api.md anew")

const docs = "../../docs/api.md"

func TestEveryRouteIsDocumented(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), "<!-- routes -->\n")
	require.True(t, found)
	old, after, found := strings.Cut(rest, "<!-- end -->")
	require.True(t, found)
	table := "| route | who | what |\n|---|---|---|\n"
	for _, route := range Routes() {
		require.NotEmpty(t, route.Does, route.Path)
		table += fmt.Sprintf("| `%s %s` | %s | %s |\n", route.Method, route.Path, route.Access, route.Does)
	}
	if *update {
		require.NoError(t, os.WriteFile(docs, []byte(before+"<!-- routes -->\n"+table+"<!-- end -->"+after), 0o644))
		return
	}
	require.Equal(t, table, old, "make it: go test ./server/rest -run Documented -update")
}
