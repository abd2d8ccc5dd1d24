package api

import "strings"

// Hook is a command that the node runs in a container beside its process, with the
// container's environment, user and directory where it has none of its own.
type Hook struct {
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"` // "NAME=value", beside the container's
	Dir     string   `json:"dir,omitempty"`
	User    string   `json:"user,omitempty"` // name|uid[:group|gid]
	// Privileged gives all capabilities.
	Privileged bool `json:"privileged,omitempty"`
}

func (h *Hook) validate(which string) error {
	if len(h.Command) == 0 {
		return wrong("command", "%s hook: a command is needed", which)
	}
	if h.Dir != "" && !strings.HasPrefix(h.Dir, "/") {
		return wrong("dir", "%s hook: working directory %q must be absolute", which, h.Dir)
	}
	return within("env", which+" hook", validateEnv(h.Env))
}

func (c *ContainerSpec) validateHooks() error {
	for _, list := range []struct {
		field, which string
		hooks        []Hook
	}{{"postStart", "post_start", c.PostStart}, {"preStop", "pre_stop", c.PreStop}} {
		for i, hook := range list.hooks {
			if err := hook.validate(list.which); err != nil {
				return within(element(list.field, i), "", err)
			}
		}
	}
	return nil
}
