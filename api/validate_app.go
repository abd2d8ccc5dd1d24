package api

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The largest content of a secret and of a config, in bytes.
const (
	MaxSecretSize = 500 << 10
	MaxConfigSize = 1000 << 10
)

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$`)

// ValidateVolumeName checks the name of a volume: it becomes a directory.
func ValidateVolumeName(name string) error {
	if !volumeName.MatchString(name) {
		return Invalidf("volume name %q: use letters, digits, '_', '.' and '-', beginning with a letter or digit", name)
	}
	return nil
}

// Validate checks an app after Defaults on its services, and that all that it
// refers to is in it.
func (a *AppSpec) Validate() error {
	if err := ValidateName("app", a.Name); err != nil {
		return err
	}
	if len(a.Services) == 0 {
		return Invalidf("app %s has no service", a.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Services)) {
		service := a.Services[name]
		if err := service.Validate(); err != nil {
			return within("services."+name, "", err)
		}
		for i, dependency := range service.DependsOn {
			if _, found := a.Services[dependency.Service]; !found {
				return wrong("services."+name+".dependsOn."+strconv.Itoa(i), "service %s: depends_on %s: the app has no such service", name, dependency.Service)
			}
		}
	}
	if cycle := a.dependencyCycle(); cycle != nil {
		return Invalidf("app %s: services wait for each other: %s", a.Name, strings.Join(cycle, " → "))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Networks)) {
		network := a.Networks[name]
		if err := network.Validate(name); err != nil {
			return within("networks."+name, "", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Secrets)) {
		secret := a.Secrets[name]
		if err := secret.Validate("secret", name, MaxSecretSize); err != nil {
			return within("secrets."+name, "", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Configs)) {
		config := a.Configs[name]
		if err := config.Validate("config", name, MaxConfigSize); err != nil {
			return within("configs."+name, "", err)
		}
	}
	return nil
}

// dependencyCycle returns services that wait for each other, the first again at
// the end, or nil.
func (a *AppSpec) dependencyCycle() []string {
	const visiting, done = 1, 2
	state := make(map[string]int)
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		path = append(path, name)
		defer func() { path = path[:len(path)-1] }()
		state[name] = visiting
		for _, dependency := range a.Services[name].DependsOn {
			switch state[dependency.Service] {
			case visiting:
				return append(slices.Clone(path[slices.Index(path, dependency.Service):]), dependency.Service)
			case done:
				continue
			}
			if cycle := visit(dependency.Service); cycle != nil {
				return cycle
			}
		}
		state[name] = done
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(a.Services)) {
		if state[name] == 0 {
			if cycle := visit(name); cycle != nil {
				return cycle
			}
		}
	}
	return nil
}

// The bounds of a network's MTU: IPv4's least (RFC 791) and jumbo frames'.
const (
	MinMTU = 576
	MaxMTU = 65535
)

// Validate checks a network; name stands for it in the error when the spec has
// none of its own.
func (n *NetworkSpec) Validate(name string) error {
	if n.Name != "" {
		name = n.Name
	}
	if err := ValidateName("network", name); err != nil {
		return err
	}
	if name == IngressID {
		return Invalidf("network name %s: it is that of the cluster's own network: choose another", name)
	}
	if n.Subnet != "" {
		subnet, err := netip.ParsePrefix(n.Subnet)
		switch {
		case err != nil || !subnet.Addr().Is4():
			return wrong("subnet", "network %s: subnet %q: want an IPv4 CIDR such as 10.20.0.0/16", name, n.Subnet)
		case subnet != subnet.Masked():
			return wrong("subnet", "network %s: subnet %s has host bits: did you mean %s?", name, n.Subnet, subnet.Masked())
		case subnet.Bits() < MinSubnetBits || subnet.Bits() > MaxSubnetBits:
			return wrong("subnet", "network %s: subnet %s: use a prefix length from /%d to /%d", name, n.Subnet, MinSubnetBits, MaxSubnetBits)
		case reserved(subnet):
			return wrong("subnet", "network %s: subnet %s is reserved (RFC 6890)", name, n.Subnet)
		}
	}
	if n.MTU != 0 && (n.MTU < MinMTU || n.MTU > MaxMTU) {
		return wrong("mtu", "network %s: MTU %d: use %d to %d", name, n.MTU, MinMTU, MaxMTU)
	}
	return nil
}

// Validate checks a secret or config; noun is which, limit its largest size.
func (f *FileSpec) Validate(noun, name string, limit int) error {
	if f.Name != "" {
		name = f.Name
	}
	if err := ValidateName(noun, name); err != nil {
		return err
	}
	switch {
	case f.External && len(f.Data) > 0:
		return Invalidf("%s %s is external: it can have no content here", noun, name)
	case !f.External && len(f.Data) == 0 && noun == "secret":
		return Invalidf("secret %s is empty", name)
	case len(f.Data) > limit:
		return Invalidf("%s %s has %d bytes: the most is %d", noun, name, len(f.Data), limit)
	case f.Template:
		return checkFileTemplate(noun+" "+name, f.Data)
	}
	return nil
}
