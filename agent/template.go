package agent

import (
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// resolve returns a container's spec with its templates filled in: environment,
// hostname and mounts.
func resolve(d api.TemplateData, spec api.ContainerSpec) (api.ContainerSpec, error) {
	env := make([]string, len(spec.Env))
	var err error
	for i, entry := range spec.Env {
		if env[i], err = d.Expand("environment", entry); err != nil {
			return spec, err
		}
	}
	mounts := make([]api.Mount, len(spec.Mounts))
	for i, mount := range spec.Mounts {
		if mount.Source, err = d.Expand("mount source", mount.Source); err != nil {
			return spec, err
		}
		if mount.Target, err = d.Expand("mount target", mount.Target); err != nil {
			return spec, err
		}
		mounts[i] = mount
	}
	spec.Env, spec.Mounts = env, mounts
	spec.Hostname, err = d.Expand("hostname", spec.Hostname)
	return spec, err
}

// payload is what templates in a container's secrets and configs may ask for.
func payload(container api.ContainerSpec, contents map[string][]byte) api.TemplateFuncs {
	file := func(noun, dir string, files []api.FileReference) func(string) (string, error) {
		return func(name string) (string, error) {
			for _, ref := range files {
				if name != ref.Source && name != ref.Target && name != strings.TrimPrefix(ref.Target, dir) {
					continue
				}
				if content, found := contents[wire.FileID(ref)]; found {
					return string(content), nil // as it is: templates do not fill each other in
				}
			}
			return "", api.Invalidf("the service has no %s %s", noun, name)
		}
	}
	return api.TemplateFuncs{
		Env: func(name string) string {
			for _, entry := range container.Env {
				if key, value, _ := strings.Cut(entry, "="); key == name {
					return value
				}
			}
			return "" // as in Docker Swarm
		},
		Secret: file("secret", secretsDir, container.Secrets),
		Config: file("config", configsDir, container.Configs),
	}
}
