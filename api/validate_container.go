package api

import (
	"regexp"
	"slices"
	"strings"
)

var (
	envName      = regexp.MustCompile(`^[^=\x00\s]+$`)
	ulimitNames  = []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}
	propagations = []string{"", "rprivate", "private", "rshared", "shared", "rslave", "slave"}
)

func (c *ContainerSpec) validate() error {
	if c.Image == "" {
		return Invalidf("an image is needed")
	}
	if strings.ContainsFunc(c.Image, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return Invalidf("image %q has a space or a control character in it", c.Image)
	}
	for _, entry := range c.Env {
		name, _, _ := strings.Cut(entry, "=")
		if !envName.MatchString(name) || strings.ContainsRune(entry, 0) {
			return Invalidf("environment %q: want NAME=value", entry)
		}
	}
	switch {
	case c.Dir != "" && !strings.HasPrefix(c.Dir, "/"):
		return Invalidf("working directory %q must be absolute", c.Dir)
	case c.StopGrace != nil && *c.StopGrace < 0:
		return Invalidf("stop grace period %s is negative", *c.StopGrace)
	case c.StopSignal != "" && !validSignal(c.StopSignal):
		return Invalidf("stop signal %q: want a name such as SIGTERM or a number from 1 to 64", c.StopSignal)
	case c.ShmSize < 0:
		return Invalidf("shm size %d is negative", c.ShmSize)
	case c.PidMode != "" && c.PidMode != "host":
		return Invalidf("pid mode %q: use host or leave it out", c.PidMode)
	case c.IpcMode != "" && c.IpcMode != "host" && c.IpcMode != "private":
		return Invalidf("ipc mode %q: use host or private", c.IpcMode)
	case c.LogMaxSize < 0 || c.LogMaxFiles < 0:
		return Invalidf("log max size and max files must not be negative")
	case c.OOMScoreAdj < -1000 || c.OOMScoreAdj > 1000:
		return Invalidf("oom score adjustment %d: use -1000 to 1000", c.OOMScoreAdj)
	}
	if c.Hostname != "" && !strings.Contains(c.Hostname, "{{") {
		if err := ValidateName("host", c.Hostname); err != nil {
			return err
		}
	}
	for _, check := range []func() error{c.validateMounts, c.validateFiles, c.validateLimits, c.validateHealth} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *ContainerSpec) validateMounts() error {
	seen := make(map[string]bool)
	for _, m := range c.Mounts {
		switch {
		case !cleanPath(m.Target) || strings.TrimRight(m.Target, "/") == "":
			return Invalidf("mount target %q: want an absolute path below /", m.Target)
		case seen[m.Target]:
			return Invalidf("mount target %s is used twice", m.Target)
		case m.Type == MountBind && !strings.HasPrefix(m.Source, "/"):
			return Invalidf("bind mount at %s: source %q must be an absolute path on the node", m.Target, m.Source)
		case m.Type == MountTmpfs && m.Source != "":
			return Invalidf("tmpfs mount at %s has no source, and %q is given", m.Target, m.Source)
		case m.TmpfsSize < 0:
			return Invalidf("tmpfs mount at %s: size %d is negative", m.Target, m.TmpfsSize)
		case !slices.Contains([]MountType{MountBind, MountVolume, MountTmpfs}, m.Type):
			return Invalidf("mount at %s: type %q: use bind, volume or tmpfs", m.Target, m.Type)
		case !slices.Contains(propagations, m.Propagation):
			return Invalidf("mount at %s: propagation %q: use %s", m.Target, m.Propagation, strings.Join(propagations[1:], ", "))
		case m.Subpath != "" && !cleanPath("/"+m.Subpath):
			return Invalidf("mount at %s: subpath %q leaves the volume", m.Target, m.Subpath)
		}
		seen[m.Target] = true
		if m.Type == MountVolume && m.Source != "" && !strings.Contains(m.Source, "{{") {
			if err := ValidateVolumeName(m.Source); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *ContainerSpec) validateFiles() error {
	for _, file := range slices.Concat(c.Secrets, c.Configs) {
		switch {
		case file.Source == "":
			return Invalidf("a secret or config is listed without its name")
		case file.Target != "" && !cleanPath("/"+strings.TrimPrefix(file.Target, "/")):
			return Invalidf("secret or config %s: target %q is not a path", file.Source, file.Target)
		case file.Mode > 0o7777:
			return Invalidf("secret or config %s: mode %o is more than permissions", file.Source, file.Mode)
		}
	}
	return nil
}

func (c *ContainerSpec) validateLimits() error {
	for _, limit := range c.Ulimits {
		switch {
		case !slices.Contains(ulimitNames, limit.Name):
			return Invalidf("ulimit %q: use one of %s", limit.Name, strings.Join(ulimitNames, ", "))
		case limit.Soft < -1 || limit.Hard < -1:
			return Invalidf("ulimit %s: use -1 (unlimited), 0 or more", limit.Name)
		case limit.Hard != -1 && (limit.Soft == -1 || limit.Soft > limit.Hard):
			return Invalidf("ulimit %s: the soft limit %d is above the hard limit %d", limit.Name, limit.Soft, limit.Hard)
		}
	}
	for _, device := range c.Devices {
		if !strings.HasPrefix(device.Source, "/") || strings.Trim(device.Permissions, "rwm") != "" {
			return Invalidf("device %q: want /dev/NAME[:TARGET[:rwm]]", device.Source)
		}
	}
	for _, option := range c.SecurityOpts {
		switch strings.Replace(option, ":", "=", 1) {
		case "no-new-privileges", "no-new-privileges=true", "no-new-privileges=false", "seccomp=unconfined", "apparmor=unconfined", "label=disable":
		default:
			return Invalidf("security option %q: use no-new-privileges, seccomp=unconfined, apparmor=unconfined or label=disable", option)
		}
	}
	return nil
}

func (c *ContainerSpec) validateHealth() error {
	h := c.Health
	if h == nil {
		return nil
	}
	switch {
	case h.Interval < 0 || h.Timeout < 0 || h.StartPeriod < 0 || h.StartInterval < 0 || h.Retries < 0:
		return Invalidf("health check: times and retries must not be negative")
	case len(h.Test) == 0:
		return nil
	case h.Test[0] == "NONE" && len(h.Test) == 1:
		return nil
	case h.Test[0] == "CMD" && len(h.Test) > 1, h.Test[0] == "CMD-SHELL" && len(h.Test) == 2:
		return nil
	}
	return Invalidf("health check test %q: want [NONE], [CMD, command, …] or [CMD-SHELL, line]", h.Test)
}
