package compose

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// unwritten are fields that no key of a file sets.
var unwritten = []string{"name", "force", "container.digest", "container.registryAuth", "resources.limits.generic", "resources.reservations.pids"}

func TestEveryFieldHasItsKey(t *testing.T) {
	fields := map[string]bool{}
	var walk func(at reflect.Type, path string)
	walk = func(at reflect.Type, path string) {
		for i := range at.NumField() {
			field := at.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if full := join(path, name); field.Type.Kind() == reflect.Struct {
				walk(field.Type, full)
			} else {
				fields[full] = true
			}
		}
	}
	walk(reflect.TypeFor[api.ServiceSpec](), "")
	for _, field := range unwritten {
		require.NotContains(t, fieldKeys, field)
		delete(fields, field)
	}
	for field := range fields {
		require.NotEmpty(t, fieldKeys[field], field)
	}
	for field, keys := range fieldKeys {
		for _, key := range keys {
			require.True(t, isKey("services.*."+key), "%s: %s is no key", field, key)
		}
	}
}

// isKey says whether a pattern is in the specification, or one of orc's own. What a
// user names is in neither.
func isKey(pattern string) bool {
	if extensions[pattern] || strings.HasPrefix(pattern, "services.*.logging.options.") {
		return true
	}
	at, found := specification, true
	for _, part := range strings.Split(pattern, ".") {
		if at, found = at[part]; !found {
			return false
		}
	}
	return true
}

func TestAnElementIsNumberedInOneFileOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("a.yaml", []byte("services:\n  web:\n    image: web\n    security_opt:\n      - no-new-privileges\n"), 0o644))
	require.NoError(t, os.WriteFile("b.yaml", []byte("services:\n  web:\n    security_opt:\n      - label=x\n"), 0o644))
	_, _, err := Load(context.Background(), Options{Paths: []string{"a.yaml", "b.yaml"}, ProjectName: "app"})
	require.ErrorContains(t, err, "b.yaml:3: services.web.security_opt: security option")
	_, _, err = Load(context.Background(), Options{Paths: []string{"-"}, ProjectName: "app",
		Stdin: strings.NewReader("services:\n  web:\n    image: web\n    security_opt:\n      - no-new-privileges\n      - label=x\n")})
	require.ErrorContains(t, err, "stdin:6: services.web.security_opt.1: security option")
}
