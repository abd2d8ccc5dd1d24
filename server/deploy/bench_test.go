package deploy

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store/memory"
)

// BenchmarkDeployOfAThousandServices is the drafting and the commit, without disk,
// of an app whose services share networks, a volume, a secret and a config.
func BenchmarkDeployOfAThousandServices(b *testing.B) {
	app := api.AppSpec{
		Name: "big", Services: make(map[string]api.ServiceSpec),
		Networks: map[string]api.NetworkSpec{"front": {}, "back": {}}, Volumes: map[string]api.VolumeSpec{"data": {}},
		Secrets: map[string]api.FileSpec{"key": {Data: []byte("x")}}, Configs: map[string]api.FileSpec{"conf": {Data: []byte("y")}},
	}
	for i := range 1000 {
		service := spec(fmt.Sprintf("s%d", i))
		service.Networks = []api.NetworkAttachment{{Network: "front"}, {Network: "back"}}
		service.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
		service.Container.Secrets = []api.FileReference{{Source: "key"}}
		service.Container.Configs = []api.FileReference{{Source: "conf"}}
		app.Services[service.Name] = service
	}
	for b.Loop() {
		b.StopTimer()
		s := memory.New()
		wanted := app
		require.NoError(b, PrepareApp(func(*api.ServiceSpec, *api.ServiceSpec) error { return nil }, s.Snapshot(), &wanted))
		b.StartTimer()
		draft, _, err := Commit(b.Context(), s, func(d *Draft) error {
			_, err := d.Deploy(wanted, false)
			return err
		})
		require.NoError(b, err)
		b.StopTimer()
		require.GreaterOrEqual(b, len(draft.Steps), 1000)
		s.Close()
		b.StartTimer()
	}
}
