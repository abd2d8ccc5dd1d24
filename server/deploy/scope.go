package deploy

import (
	"maps"
	"slices"

	"github.com/orc-project/orc/api"
)

// scoped is a name in an app's file as the cluster knows it: APP_KEY, as Docker's
// stacks have it, unless the file gives the thing a name of its own.
func scoped(app, key, own string, external bool) string {
	switch {
	case own != "":
		return own
	case external:
		return key
	}
	return app + "_" + key
}

// scopeService is a service of an app's file in the cluster's names. It shares
// nothing with the file that it changes.
func scopeService(app *api.AppSpec, key string) (api.ServiceSpec, error) {
	spec := app.Services[key]
	spec.Name = app.Name + "_" + key
	spec.Networks = slices.Clone(spec.Networks)
	for i, attachment := range spec.Networks {
		network, declared := app.Networks[attachment.Network]
		if !declared {
			return spec, undeclared(key, "network", "networks", attachment.Network)
		}
		spec.Networks[i].Network = scoped(app.Name, attachment.Network, network.Name, network.External)
		if !slices.Contains(attachment.Aliases, key) { // others find it by its short name
			spec.Networks[i].Aliases = append(slices.Clone(attachment.Aliases), key)
		}
	}
	var err error
	if spec.Container.Secrets, err = scopeFiles(app.Name, key, "secret", "/run/secrets/", spec.Container.Secrets, app.Secrets); err != nil {
		return spec, err
	}
	if spec.Container.Configs, err = scopeFiles(app.Name, key, "config", "/", spec.Container.Configs, app.Configs); err != nil {
		return spec, err
	}
	spec.Container.Mounts = slices.Clone(spec.Container.Mounts)
	for i := range spec.Container.Mounts {
		mount := &spec.Container.Mounts[i]
		if mount.Type != api.MountVolume || mount.Source == "" {
			continue
		}
		volume, declared := app.Volumes[mount.Source]
		if !declared {
			return spec, undeclared(key, "volume", "volumes", mount.Source)
		}
		mount.Source = scoped(app.Name, mount.Source, volume.Name, volume.External)
		if len(mount.Options) == 0 {
			mount.Options = maps.Clone(volume.Options)
		}
	}
	return spec, nil
}

// scopeFiles gives references the cluster's names, but keeps the file's name for
// the path in the container.
func scopeFiles(app, service, noun, dir string, references []api.FileReference, declared map[string]api.FileSpec) ([]api.FileReference, error) {
	references = slices.Clone(references)
	for i := range references {
		key := references[i].Source
		spec, found := declared[key]
		if !found {
			return nil, undeclared(service, noun, noun+"s", key)
		}
		references[i].Source = scoped(app, key, spec.Name, spec.External)
		if references[i].Target == "" {
			references[i].Target = dir + key
		}
	}
	return references, nil
}

func undeclared(service, noun, section, name string) error {
	return api.Invalidf("service %s: the app has no %s %s: declare it under %s", service, noun, name, section)
}
