package cli

import (
	"fmt"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
)

// prettyService tells the main things of a service, a line each.
func prettyService(s api.ServiceView) string {
	var out strings.Builder
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(&out, "%-16s%s\n", name+":", text)
		}
	}
	spec := &s.Spec
	line("ID", "%s", s.ID)
	line("Name", "%s", s.Name)
	line("App", "%s", s.AppName)
	line("Labels", "%s", labels(spec.Labels))
	line("Mode", "%s", spec.Mode)
	line("Replicas", "%s", replicas(s))
	line("Revision", "%d", s.Current)
	if s.Rollout != nil {
		line("Rollout", "%s, revision %d to %d", s.Rollout.State, s.Rollout.From, s.Rollout.To)
		line(" Message", "%s", s.Rollout.Message)
	}
	for _, warning := range s.Warnings {
		line("Warning", "%s", warning)
	}
	container := &spec.Container
	line("Image", "%s", container.Image)
	line("Digest", "%s", container.Digest)
	line("Entrypoint", "%s", strings.Join(container.Entrypoint, " "))
	line("Args", "%s", strings.Join(container.Args, " "))
	line("Env", "%s", strings.Join(container.Env, " "))
	line("User", "%s", container.User)
	for _, mount := range container.Mounts {
		line("Mount", "%s %s on %s", mount.Type, mount.Source, mount.Target)
	}
	line("Ports", "%s", ports(s.Ports))
	line("Networks", "%s", networkNames(spec))
	for _, at := range s.Addresses {
		line("Address", "%s on %s", at.Address, at.Network)
	}
	line("Limits", "%s", amounts(spec.Resources.Limits))
	line("Reservations", "%s", amounts(spec.Resources.Reservations))
	line("Constraints", "%s", strings.Join(spec.Placement.Constraints, ", "))
	line("Restart", "%s", restartPolicy(&spec.Restart))
	if spec.StopIsolated != nil {
		line("Isolation", "stop after %s", spec.StopIsolated)
	}
	if !spec.Mode.Job() {
		line("Update", "%s", pace(&spec.Update))
		line("Rollback", "%s", pace(&spec.Rollback))
	}
	return out.String()
}

func networkNames(spec *api.ServiceSpec) string {
	names := []string{}
	for _, attachment := range spec.Networks {
		names = append(names, attachment.Network)
	}
	if spec.NetworkMode != "" {
		names = append(names, spec.NetworkMode)
	}
	return strings.Join(names, ", ")
}

func amounts(set api.ResourceSet) string {
	var parts []string
	if set.NanoCPUs > 0 {
		parts = append(parts, fmt.Sprintf("cpu %g", float64(set.NanoCPUs)/1e9))
	}
	if set.Memory > 0 {
		parts = append(parts, "memory "+output.Size(set.Memory))
	}
	if set.Pids > 0 {
		parts = append(parts, fmt.Sprintf("pids %d", set.Pids))
	}
	return strings.Join(parts, ", ")
}

func restartPolicy(policy *api.RestartPolicy) string {
	text := string(policy.Condition)
	if policy.Delay != nil {
		text += fmt.Sprintf(", delay %s", policy.Delay)
	}
	if policy.MaxAttempts != nil && *policy.MaxAttempts > 0 {
		text += fmt.Sprintf(", at most %d times", *policy.MaxAttempts)
	}
	return text
}

func pace(config *api.UpdateConfig) string {
	text := "one at a time"
	if config.Parallelism != nil && *config.Parallelism != 1 {
		text = fmt.Sprintf("%d at a time", *config.Parallelism)
		if *config.Parallelism == 0 {
			text = "all at once"
		}
	}
	if config.Delay > 0 {
		text += fmt.Sprintf(", delay %s", config.Delay)
	}
	if config.Monitor != nil {
		text += fmt.Sprintf(", monitored for %s", config.Monitor)
	}
	return fmt.Sprintf("%s, %s, on failure %s", text, config.Order, config.FailureAction)
}
