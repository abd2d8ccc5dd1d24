package agent

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

func TestTemplatesInSecretsAndConfigsSeeTheContainersOwn(t *testing.T) {
	key := api.FileReference{Source: "shop_key", ID: "k", Version: 1, Target: "/run/secrets/key", UID: "33", Mode: 0o400}
	site := api.FileReference{Source: "shop_site", ID: "s", Version: 2, Target: "/etc/site.conf", Template: true}
	plain := api.FileReference{Source: "plain", ID: "p", Version: 1}
	contents := map[string][]byte{
		wire.FileID(key):   []byte("s3cret"),
		wire.FileID(site):  []byte(`{{.Service.Name}} {{env "MODE"}}[{{env "NONE"}}] {{secret "key"}} {{secret "shop_key"}} {{config "plain"}}`),
		wire.FileID(plain): []byte("{{.Task.Slot}}"),
	}
	data := api.NewTemplateData(&api.Task{}, "web", &api.ServiceSpec{}, "", api.Platform{})
	container := api.ContainerSpec{Env: []string{"MODE=fast"}, Secrets: []api.FileReference{key}, Configs: []api.FileReference{site, plain}}
	files, err := containerFiles(container, contents, data)
	require.NoError(t, err)
	require.Equal(t, "s3cret", string(files[0].Data))
	require.Equal(t, 33, files[0].UID)
	require.EqualValues(t, 0o400, files[0].Mode)
	require.Equal(t, "web fast[] s3cret s3cret {{.Task.Slot}}", string(files[1].Data))
	require.Equal(t, "/plain", files[2].Target)
	require.Equal(t, "{{.Task.Slot}}", string(files[2].Data), "what is not declared a template is none")

	container.Secrets = nil
	_, err = containerFiles(container, contents, data)
	require.ErrorContains(t, err, "the service has no secret key", "only what the service has is read")
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	delete(contents, wire.FileID(plain))
	_, err = containerFiles(container, contents, data)
	require.Error(t, err)
}
