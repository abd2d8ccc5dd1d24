package compose

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestFilesBecomeTheseApps(t *testing.T) {
	files, err := filepath.Glob("../testdata/compose/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			options := Options{Paths: []string{file}, Env: []string{"DB_PASSWORD=hunter2", "SECRET_KEY=key", "HTPASSWD=user:hash"}, Profiles: []string{"ui"}}
			spec, _, err := Load(context.Background(), options)
			require.NoError(t, err)
			again, _, err := Load(context.Background(), options)
			require.NoError(t, err)
			require.True(t, api.EqualSpec(spec, again), "the same file must give the same app")
			got, err := json.MarshalIndent(spec, "", "  ")
			require.NoError(t, err)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden.json"
			if *update {
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n")
		})
	}
}

// errors.txtar has pairs of files: NAME.yaml, and NAME.error with the message.
func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	const file = "../testdata/compose/errors.txtar"
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	var written txtar.Archive
	for i := 0; i < len(archive.Files); i++ {
		input := archive.Files[i]
		name, isInput := strings.CutSuffix(input.Name, ".yaml")
		if !isInput {
			continue
		}
		want := ""
		if i+1 < len(archive.Files) && archive.Files[i+1].Name == name+".error" {
			want = string(archive.Files[i+1].Data)
		}
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile("app.yaml", input.Data, 0o644))
			_, _, err := Load(context.Background(), Options{Paths: []string{"app.yaml"}, ProjectName: "app"})
			require.Error(t, err)
			require.Equal(t, api.CodeInvalid, api.CodeOf(err))
			written.Files = append(written.Files, input, txtar.File{Name: name + ".error", Data: []byte(err.Error() + "\n")})
			if !*update {
				require.Equal(t, want, err.Error()+"\n")
			}
		})
	}
	if *update && !t.Failed() {
		require.NoError(t, os.WriteFile(file, txtar.Format(&written), 0o644))
	}
}

func TestEveryRefusalIsOfAKeyOfTheSpecification(t *testing.T) {
	for pattern := range refusals {
		at, found := specification, true
		for _, part := range strings.Split(pattern, ".") {
			at, found = at[part]
			require.True(t, found, pattern)
		}
	}
}

func TestAnIncludedFileIsCheckedToo(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll("other", 0o755))
	require.NoError(t, os.WriteFile("app.yaml", []byte("include: [other/db.yaml]\nservices: {web: {image: web}}\n"), 0o644))
	require.NoError(t, os.WriteFile("other/db.yaml", []byte("services:\n  db:\n    image: db\n    gpus: all\n"), 0o644))
	_, _, err := Load(context.Background(), Options{Paths: []string{"app.yaml"}})
	require.ErrorContains(t, err, "other/db.yaml:4: services.db.gpus: use deploy.resources")
}

func TestTheAppIsNamedAfterItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "My App")
	require.NoError(t, os.Mkdir(dir, 0o755))
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("app.yaml", []byte("services: {web: {image: web}}\n"), 0o644))
	spec, _, err := Load(context.Background(), Options{Paths: []string{"app.yaml"}})
	require.NoError(t, err)
	require.Equal(t, "myapp", spec.Name)
	spec, _, err = Load(context.Background(), Options{Paths: []string{"app.yaml"}, ProjectName: "other"})
	require.NoError(t, err)
	require.Equal(t, "other", spec.Name)
	spec, _, err = Load(context.Background(), Options{Paths: []string{"-"}, Stdin: strings.NewReader("services: {web: {image: web}}\n")})
	require.NoError(t, err)
	require.Equal(t, "myapp", spec.Name)
}

func TestAnUnsetVariableIsAWarning(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("app.yaml", []byte("services: {web: {image: web, hostname: \"${NOT_SET}\"}}\n"), 0o644))
	_, warnings, err := Load(context.Background(), Options{Paths: []string{"app.yaml"}, ProjectName: "app"})
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].String(), "NOT_SET")
}

func TestWhatChangesNothingIsAWarning(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("app.yaml", []byte("services: {web: {image: web}}\nnetworks:\n  default:\n    attachable: true\n"), 0o644))
	spec, warnings, err := Load(context.Background(), Options{Paths: []string{"app.yaml"}, ProjectName: "app"})
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].String(), "networks.default.attachable: kept and shown, but changes nothing")
	require.True(t, spec.Networks["default"].Attachable)
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("../testdata/compose/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(content))
	}
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(content, "file") || strings.Contains(content, "include") || strings.Contains(content, "extends") {
			t.Skip() // it would read this machine's files
		}
		spec, _, err := Load(context.Background(), Options{Paths: []string{"-"}, Stdin: strings.NewReader(content), ProjectName: "app"})
		if err == nil {
			require.NoError(t, spec.Validate())
		}
	})
}

func TestAMonitorOfZeroIsNoDefault(t *testing.T) {
	spec := load(t, `
services:
  web: &web
    image: web
    deploy: {update_config: {monitor: 0s}, rollback_config: {parallelism: 2}}
  same: *web
  more:
    extends: {service: web}
    deploy: {update_config: {parallelism: 0}}
`)
	for _, name := range []string{"web", "same", "more"} {
		service := spec.Services[name]
		require.Equal(t, api.Duration(0), *service.Update.Monitor, name)
		require.Equal(t, api.Duration(api.DefaultUpdateMonitor), *service.Rollback.Monitor, name)
	}
}

// load reads one file's content, which must be right.
func load(t *testing.T, content string) api.AppSpec {
	t.Helper()
	spec, _, err := Load(context.Background(), Options{Paths: []string{"-"}, Stdin: strings.NewReader(content), ProjectName: "app"})
	require.NoError(t, err)
	return spec
}
