package compose

import (
	"cmp"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

// convert turns a loaded project into an app; what is wrong goes to the report.
func convert(project *types.Project, r *report) api.AppSpec {
	spec := api.AppSpec{Name: project.Name, Services: make(map[string]api.ServiceSpec)}
	for name, service := range project.Services {
		c := converter{report: r, path: "services." + name, project: project}
		spec.Services[name] = c.service(service)
	}
	if len(project.Services) == 0 {
		r.add("services", "no service is left to run: a profile may be needed")
	}
	spec.Networks = fill(project.Networks, func(name string, n types.NetworkConfig) api.NetworkSpec {
		return network(project.Name, name, n, r)
	})
	spec.Volumes = fill(project.Volumes, func(name string, v types.VolumeConfig) api.VolumeSpec {
		return volume(project.Name, name, v, r)
	})
	spec.Secrets = fill(project.Secrets, func(name string, s types.SecretConfig) api.FileSpec {
		return file(project, "secret", name, types.FileObjectConfig(s), r)
	})
	spec.Configs = fill(project.Configs, func(name string, c types.ConfigObjConfig) api.FileSpec {
		return file(project, "config", name, types.FileObjectConfig(c), r)
	})
	return spec
}

// fill converts a map, nil if empty.
func fill[A, B any](from map[string]A, to func(name string, value A) B) map[string]B {
	if len(from) == 0 {
		return nil
	}
	result := make(map[string]B, len(from))
	for name, value := range from {
		result[name] = to(name, value)
	}
	return result
}

func sortedKeys[M ~map[K]V, K cmp.Ordered, V any](m M) []K { return slices.Sorted(maps.Keys(m)) }
