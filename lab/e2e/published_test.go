package e2e

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/compose"
	"github.com/orc-project/orc/runtime"
)

const published = "../../testdata/compose"

// noMedia is what the media server's owner would write, too, to try it on a machine
// that has neither a graphics card nor the file server.
const noMedia = `
services:
  jellyfin:
    devices: !override ["/dev/null:/dev/dri"]
volumes:
  library:
    driver_opts: !override {type: tmpfs, device: tmpfs, o: "size=1m"}
`

// TestComposeFilesAsPeoplePublishThemRun deploys them as they are. Only what is in
// the containers is another: a program that stands in for all.
func TestComposeFilesAsPeoplePublishThemRun(t *testing.T) {
	cluster(t)
	for name, value := range map[string]string{"DB_PASSWORD": "hunter2", "SECRET_KEY": "key", "HTPASSWD": "user:hash"} {
		t.Setenv(name, value)
	}
	apps, files := make(map[string]api.AppSpec), make(map[string][]string)
	var images []string
	for _, name := range []string{"webapp", "monitoring", "voting", "registry", "wordpress", "media"} {
		files[name] = []string{filepath.Join(published, name+".yaml")}
		if name == "media" {
			files[name] = append(files[name], write(t, "here.yaml", noMedia))
		}
		spec, _, err := compose.Load(t.Context(), compose.Options{Paths: files[name], Env: os.Environ(), Profiles: []string{"ui"}})
		require.NoError(t, err)
		apps[name] = spec
		for _, service := range spec.Services {
			images = append(images, service.Container.Image)
		}
	}
	orc(t, "image", "load", standIns(t, images))
	for name, spec := range apps {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { cleanUp(t) })
			deploy := append([]string{"deploy", "--profile", "ui"}, files[name]...)
			orc(t, deploy...)
			for key, service := range spec.Services {
				if service.Schedule == "" {
					runs(t, spec.Name+"_"+key, &service)
				}
			}
			if name == "webapp" {
				lookIntoTheWebApp(t)
			}
			require.Contains(t, orc(t, append(deploy, "--dry-run")...), "unchanged", "deployed again, nothing differs")
		})
	}
}

// runs waits until a service has all the tasks that it should.
func runs(t *testing.T, name string, spec *api.ServiceSpec) {
	t.Helper()
	want, state := 1, api.TaskRunning
	switch {
	case spec.Mode.Global():
		want = len(shared.Nodes())
	case spec.Replicas != nil:
		want = *spec.Replicas
	}
	if spec.Mode.Job() {
		state = api.TaskComplete
	}
	eventually(t, fmt.Sprintf("%d tasks of %s are %s", want, name, state), func() error {
		found := 0
		for _, task := range tasks(t, name) {
			if task.Status.State == state {
				found++
			}
		}
		if found != want {
			return fmt.Errorf("%d are: %s", found, describe(tasks(t, name)))
		}
		return nil
	})
}

// lookIntoTheWebApp sees that its containers have what its file says.
func lookIntoTheWebApp(t *testing.T) {
	t.Helper()
	for _, task := range running(t, "webapp_proxy") {
		require.Equal(t, fmt.Sprintf("# webapp_proxy on %s, slot %d edge\nupstream web { server web:8000; }\n", task.NodeName, task.Slot),
			orc(t, "exec", task.Name, "cat", "/etc/nginx/conf.d/default.conf"))
		require.Contains(t, orc(t, "exec", task.Name, "stat", "/etc/nginx/conf.d/default.conf"), "0440 0:0")
	}
	require.Contains(t, orc(t, "exec", "webapp_web.2", "env"), "INSTANCE=webapp_web.2\n")
	require.Equal(t, "hunter2", orc(t, "exec", "webapp_db.1", "cat", "/run/secrets/db_password"))
	require.Contains(t, orc(t, "exec", "webapp_db.1", "stat", "/run/secrets/db_password"), "0400 70:70")
	for _, dependent := range []string{"webapp_web", "webapp_worker"} {
		for _, task := range running(t, dependent) {
			job := tasks(t, "webapp_migrate")[0]
			require.False(t, container(task).Started.Before(container(job).Finished), "%s starts when the database is migrated", task.Name)
		}
	}
}

// standIns writes an archive that has the stand-in under each of the names.
func standIns(t *testing.T, names []string) string {
	t.Helper()
	from, err := os.Open(filepath.Join(os.Getenv(imagesVariable), "standin-1.0.tar"))
	require.NoError(t, err)
	defer from.Close()
	path := filepath.Join(t.TempDir(), "standins.tar")
	to, err := os.Create(path)
	require.NoError(t, err)
	defer to.Close()
	reader, writer := tar.NewReader(from), tar.NewWriter(to)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		if header.Name == "index.json" {
			content = underNames(t, content, names)
			header.Size = int64(len(content))
		}
		require.NoError(t, writer.WriteHeader(header))
		_, err = writer.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return path
}

// underNames is an OCI index with its one image once under each name.
func underNames(t *testing.T, index []byte, names []string) []byte {
	t.Helper()
	var layout struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Manifests     []map[string]any `json:"manifests"`
	}
	require.NoError(t, json.Unmarshal(index, &layout))
	image := layout.Manifests[0]
	layout.Manifests = nil
	for _, name := range names {
		full, err := runtime.NormalName(name)
		require.NoError(t, err)
		named := maps.Clone(image)
		named["annotations"] = map[string]string{"io.containerd.image.name": full, "org.opencontainers.image.ref.name": full}
		layout.Manifests = append(layout.Manifests, named)
	}
	written, err := json.Marshal(layout)
	require.NoError(t, err)
	return written
}
