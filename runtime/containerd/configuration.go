package containerd

import "fmt"

// configuration is the daemon's. What orc never asks for is off: CRI is not even
// built in (see the Makefile), and the plugins listed are neither used nor wanted.
// What was removed is collected a second later; by default it would stay until a
// hundred more changes. State and the shims' sockets are in the run directory, so that a restart of the
// host empties them.
func configuration(l layout) string {
	return fmt.Sprintf(`version = 4
root = %[1]q
state = "%[2]s/containerd"
oom_score = -500
imports = []
disabled_plugins = [
  "io.containerd.differ.v1.erofs",
  "io.containerd.image-verifier.v1.bindir",
  "io.containerd.internal.v1.opt",
  "io.containerd.monitor.container.v1.restart",
  "io.containerd.monitor.task.v1.cgroups",
  "io.containerd.mount-handler.v1.erofs",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
]

[debug]
  level = "warn"

[plugins."io.containerd.gc.v1.scheduler"]
  deletion_threshold = 1
  schedule_delay = "1s"
[plugins."io.containerd.server.v1.grpc"]
  address = %[3]q
[plugins."io.containerd.server.v1.ttrpc"]
  address = "%[2]s/ttrpc.sock"
[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "%[2]s/s"
`, l.root(), l.run, l.socket())
}
