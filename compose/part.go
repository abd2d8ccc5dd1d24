package compose

import (
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

// ownName is a name that the file gives; "" for the one that orc gives anyway.
func ownName(app, key, name string, external bool) string {
	if name == key && external || name == app+"_"+key && !external {
		return ""
	}
	return name
}

func network(app, key string, n types.NetworkConfig, r *report) api.NetworkSpec {
	path := "networks." + key
	spec := api.NetworkSpec{Name: ownName(app, key, n.Name, bool(n.External)), External: bool(n.External),
		Labels: plainMap(n.Labels), Internal: n.Internal, Attachable: n.Attachable}
	if n.Attachable {
		r.warn(path+".attachable", "kept and shown, but changes nothing: all of orc's containers belong to services")
	}
	switch n.Driver {
	case "", "overlay", "default":
	case "bridge":
		r.warn(path+".driver", "bridge: the network spans all nodes, as every network of orc does")
	default:
		r.add(path+".driver", "%q: orc has one driver, overlay; for the node's own network use network_mode: host", n.Driver)
	}
	if n.EnableIPv6 != nil && *n.EnableIPv6 {
		r.add(path+".enable_ipv6", "networks are IPv4: remove it")
	}
	for _, option := range sortedKeys(n.DriverOpts) {
		value := n.DriverOpts[option]
		switch option {
		case "com.docker.network.driver.mtu", "mtu":
			mtu, err := strconv.Atoi(value)
			if err != nil {
				r.add(path+".driver_opts", "%s: %q: want a number", option, value)
			}
			spec.MTU = mtu
		default:
			r.add(path+".driver_opts", "%s: orc knows com.docker.network.driver.mtu: remove it", option)
		}
	}
	for _, pool := range n.Ipam.Config {
		if pool == nil || pool.Subnet == "" {
			continue
		}
		if spec.Subnet != "" {
			r.add(path+".ipam.config", "a network has one subnet: remove %s", pool.Subnet)
		}
		spec.Subnet = pool.Subnet
	}
	return spec
}

func volume(app, key string, v types.VolumeConfig, r *report) api.VolumeSpec {
	if v.Driver != "" && v.Driver != "local" {
		r.add("volumes."+key+".driver", "%q: orc has one driver, local; for a share use driver_opts with type nfs", v.Driver)
	}
	return api.VolumeSpec{Name: ownName(app, key, v.Name, bool(v.External)), External: bool(v.External),
		Labels: plainMap(v.Labels), Options: plainMap(v.DriverOpts)}
}

// file reads a secret's or a config's content.
func file(project *types.Project, noun, key string, f types.FileObjectConfig, r *report) api.FileSpec {
	path := noun + "s." + key
	spec := api.FileSpec{Name: ownName(project.Name, key, f.Name, bool(f.External)), External: bool(f.External), Labels: plainMap(f.Labels)}
	switch f.TemplateDriver {
	case "":
	case "golang":
		spec.Template = true
	default:
		r.add(path+".template_driver", "%q: use golang", f.TemplateDriver)
	}
	limit := int64(api.MaxSecretSize)
	if noun == "config" {
		limit = api.MaxConfigSize
	}
	switch {
	case spec.External:
	case f.File != "":
		content, err := readFile(f.File, limit)
		switch {
		case err != nil:
			r.add(path+".file", "read %s: %w", r.index.short(f.File), plain(err))
		case int64(len(content)) > limit:
			r.add(path+".file", "%s is larger than %d bytes, the most for a %s", r.index.short(f.File), limit, noun)
		}
		spec.Data = content
	case f.Environment != "":
		value, found := project.Environment[f.Environment]
		if !found {
			r.add(path+".environment", "%s is not set in the environment", f.Environment)
		}
		spec.Data = []byte(value)
	default:
		spec.Data = []byte(f.Content)
	}
	return spec
}
