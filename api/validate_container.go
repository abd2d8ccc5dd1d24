package api

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	envName      = regexp.MustCompile(`^[^=\x00\s]+$`)
	ulimitNames  = []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}
	propagations = []string{"", "rprivate", "private", "rshared", "shared", "rslave", "slave"}
)

func (c *ContainerSpec) validate() error {
	if c.Image == "" {
		return wrong("image", "an image is needed")
	}
	if strings.ContainsFunc(c.Image, unprintable) {
		return wrong("image", "image %q has a space or a control character in it", c.Image)
	}
	if err := validateEnv(c.Env); err != nil {
		return within("env", "", err)
	}
	switch {
	case c.Dir != "" && !strings.HasPrefix(c.Dir, "/"):
		return wrong("dir", "working directory %q must be absolute", c.Dir)
	case c.StopGrace != nil && *c.StopGrace < 0:
		return wrong("stopGrace", "stop grace period %s is negative", *c.StopGrace)
	case c.StopSignal != "" && !validSignal(c.StopSignal):
		return wrong("stopSignal", "stop signal %q: want a name such as SIGTERM or a number from 1 to 64", c.StopSignal)
	case c.ShmSize < 0:
		return wrong("shmSize", "shm size %d is negative", c.ShmSize)
	case c.PidMode != "" && c.PidMode != "host":
		return wrong("pidMode", "pid mode %q: use host or leave it out", c.PidMode)
	case c.IpcMode != "" && c.IpcMode != "host" && c.IpcMode != "private":
		return wrong("ipcMode", "ipc mode %q: use host or private", c.IpcMode)
	case c.LogMaxSize < 0:
		return wrong("logMaxSize", "log max size %d must not be negative", c.LogMaxSize)
	case c.LogMaxFiles < 0:
		return wrong("logMaxFiles", "log max files %d must not be negative", c.LogMaxFiles)
	case c.OOMScoreAdj < -1000 || c.OOMScoreAdj > 1000:
		return wrong("oomScoreAdj", "oom score adjustment %d: use -1000 to 1000", c.OOMScoreAdj)
	}
	if c.Hostname != "" && !strings.Contains(c.Hostname, "{{") {
		if err := ValidateName("host", c.Hostname); err != nil {
			return within("hostname", "", err)
		}
	}
	for _, check := range []func() error{c.validateTemplates, c.validateMounts, c.validateFiles, c.validateLimits, c.validateNames, c.validateHealth, c.validateHooks} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func validateEnv(env []string) error {
	for i, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if !envName.MatchString(name) || strings.ContainsRune(entry, 0) {
			return wrong(strconv.Itoa(i), "environment %q: want NAME=value", entry)
		}
	}
	return nil
}

// validateTemplates checks what nodes fill in for each task.
func (c *ContainerSpec) validateTemplates() error {
	for i, entry := range c.Env {
		if err := checkTemplate(element("env", i), "environment", entry); err != nil {
			return err
		}
	}
	for i, m := range c.Mounts {
		if err := cmp.Or(checkTemplate(element("mounts", i), "mount source", m.Source), checkTemplate(element("mounts", i), "mount target", m.Target)); err != nil {
			return err
		}
	}
	return checkTemplate("hostname", "hostname", c.Hostname)
}

func (c *ContainerSpec) validateMounts() error {
	seen := make(map[string]bool)
	for i, m := range c.Mounts {
		field := element("mounts", i)
		switch {
		case !cleanPath(m.Target) || strings.TrimRight(m.Target, "/") == "":
			return wrong(field, "mount target %q: want an absolute path below /", m.Target)
		case seen[m.Target]:
			return wrong(field, "mount target %s is used twice", m.Target)
		case m.Type == MountBind && !strings.HasPrefix(m.Source, "/"):
			return wrong(field, "bind mount at %s: source %q must be an absolute path on the node", m.Target, m.Source)
		case m.Type == MountTmpfs && m.Source != "":
			return wrong(field, "tmpfs mount at %s has no source, and %q is given", m.Target, m.Source)
		case m.TmpfsSize < 0:
			return wrong(field, "tmpfs mount at %s: size %d is negative", m.Target, m.TmpfsSize)
		case !slices.Contains([]MountType{MountBind, MountVolume, MountTmpfs}, m.Type):
			return wrong(field, "mount at %s: type %q: use bind, volume or tmpfs", m.Target, m.Type)
		case !slices.Contains(propagations, m.Propagation):
			return wrong(field, "mount at %s: propagation %q: use %s", m.Target, m.Propagation, strings.Join(propagations[1:], ", "))
		case m.Subpath != "" && !cleanPath("/"+m.Subpath):
			return wrong(field, "mount at %s: subpath %q leaves the volume", m.Target, m.Subpath)
		}
		seen[m.Target] = true
		if m.Type == MountVolume && m.Source != "" && !strings.Contains(m.Source, "{{") {
			if err := ValidateVolumeName(m.Source); err != nil {
				return within(field, "", err)
			}
		}
	}
	return nil
}

func (c *ContainerSpec) validateFiles() error {
	for _, list := range []struct {
		field, noun string
		files       []FileReference
	}{{"secrets", "secret", c.Secrets}, {"configs", "config", c.Configs}} {
		for i, file := range list.files {
			if err := file.validate(list.noun); err != nil {
				return within(element(list.field, i), "", err)
			}
		}
	}
	return nil
}

// validID says whether a text is a user's or a group's number; "" is root's.
func validID(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return text == "" || err == nil
}

func (f *FileReference) validate(noun string) error {
	switch {
	case f.Source == "":
		return Invalidf("a %s is listed without its name", noun)
	case f.Target != "" && !cleanPath("/"+strings.TrimPrefix(f.Target, "/")):
		return wrong("target", "%s %s: target %q is not a path", noun, f.Source, f.Target)
	case !validID(f.UID):
		return wrong("uid", "%s %s: uid %q: use a number", noun, f.Source, f.UID)
	case !validID(f.GID):
		return wrong("gid", "%s %s: gid %q: use a number", noun, f.Source, f.GID)
	case f.Mode > 0o7777:
		return wrong("mode", "%s %s: mode %o is more than permissions", noun, f.Source, f.Mode)
	}
	return nil
}

func (c *ContainerSpec) validateLimits() error {
	for i, limit := range c.Ulimits {
		switch {
		case !slices.Contains(ulimitNames, limit.Name):
			return wrong(element("ulimits", i), "ulimit %q: use one of %s", limit.Name, strings.Join(ulimitNames, ", "))
		case limit.Soft < -1 || limit.Hard < -1:
			return wrong(element("ulimits", i), "ulimit %s: use -1 (unlimited), 0 or more", limit.Name)
		case limit.Hard != -1 && (limit.Soft == -1 || limit.Soft > limit.Hard):
			return wrong(element("ulimits", i), "ulimit %s: the soft limit %d is above the hard limit %d", limit.Name, limit.Soft, limit.Hard)
		}
	}
	for i, device := range c.Devices {
		if !strings.HasPrefix(device.Source, "/") || strings.Trim(device.Permissions, "rwm") != "" {
			return wrong(element("devices", i), "device %q: want /dev/NAME[:TARGET[:rwm]]", device.Source)
		}
	}
	for i, option := range c.SecurityOpts {
		switch strings.Replace(option, ":", "=", 1) {
		case "no-new-privileges", "no-new-privileges=true", "no-new-privileges=false", "seccomp=unconfined", "apparmor=unconfined", "label=disable":
		default:
			return wrong(element("securityOpts", i), "security option %q: use no-new-privileges, seccomp=unconfined, apparmor=unconfined or label=disable", option)
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
		return wrong("health", "health check: times and retries must not be negative")
	case len(h.Test) == 0:
		return nil
	case h.Test[0] == "NONE" && len(h.Test) == 1:
		return nil
	case h.Test[0] == "CMD" && len(h.Test) > 1, h.Test[0] == "CMD-SHELL" && len(h.Test) == 2:
		return nil
	}
	return wrong("health.test", "health check test %q: want [NONE], [CMD, command, …] or [CMD-SHELL, line]", h.Test)
}
