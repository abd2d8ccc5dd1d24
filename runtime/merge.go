package runtime

import (
	"cmp"
	"slices"

	"github.com/distribution/reference"

	"github.com/orc-project/orc/api"
)

// NormalName gives an image's name in full, as Image.Name has it:
// docker.io/library/web:latest for "web". A digest after a tag wins over it.
func NormalName(name string) (string, error) {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return "", api.Invalidf("image %q is no image name: %w", name, err)
	}
	return named.String(), nil
}

// CommandLine merges an image's command with a container's as Docker does: an
// entrypoint of the container's own drops the image's command.
func CommandLine(image ImageConfig, container api.ContainerSpec) []string {
	entrypoint, args := image.Entrypoint, image.Cmd
	if container.Entrypoint != nil {
		entrypoint, args = container.Entrypoint, nil
	}
	if container.Args != nil {
		args = container.Args
	}
	return slices.Concat(entrypoint, args)
}

// MergeHealth returns the check in force: the container's, with what it leaves
// out taken from the image's. It is nil when there is none or it is switched off.
func MergeHealth(image, container *api.HealthCheck) *api.HealthCheck {
	if container.Disabled() || container == nil && image.Disabled() {
		return nil
	}
	if container == nil {
		return image
	}
	merged := *container
	if image != nil && !image.Disabled() {
		if len(merged.Test) == 0 {
			merged.Test = image.Test
		}
		merged.Interval = cmp.Or(merged.Interval, image.Interval)
		merged.Timeout = cmp.Or(merged.Timeout, image.Timeout)
		merged.StartPeriod = cmp.Or(merged.StartPeriod, image.StartPeriod)
		merged.StartInterval = cmp.Or(merged.StartInterval, image.StartInterval)
		merged.Retries = cmp.Or(merged.Retries, image.Retries)
	}
	if len(merged.Test) == 0 {
		return nil
	}
	return &merged
}
