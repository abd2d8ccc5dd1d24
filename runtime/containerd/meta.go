package containerd

import (
	"encoding/json"
	"fmt"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// metaKey is the extension of a container's record that is orc's.
const metaKey = "orc"

// meta is what containerd keeps for us with each container.
type meta struct {
	Task       runtime.TaskRef
	Image      string // as asked for
	Digest     string
	TTY        bool
	StopSignal string
	Health     *api.HealthCheck
	Output     runtime.Output
	// Boot is the host's boot ID at creation: what ran then does not run now.
	Boot string
	// Volumes are the named volumes in use.
	Volumes []string
	// HostPid says that the container has no PID namespace, so that its main
	// process does not take the others with it.
	HostPid bool
	// Memory is the limit in bytes.
	Memory int64
}

func (m meta) any() (typeurl.Any, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return &anypb.Any{TypeUrl: "orc/container", Value: data}, nil
}

// readMeta reads it from a record. It never trusts it: anybody with the socket
// may have written it.
func readMeta(record containers.Container) (meta, error) {
	extension, found := record.Extensions[metaKey]
	if !found {
		return meta{}, fmt.Errorf("container %s is not orc's", record.ID)
	}
	var m meta
	if err := json.Unmarshal(extension.GetValue(), &m); err != nil {
		return meta{}, fmt.Errorf("container %s: read metadata: %w", record.ID, err)
	}
	return m, nil
}
