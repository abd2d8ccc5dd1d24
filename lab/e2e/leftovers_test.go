package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// leftovers looks for what removed services may have left: records, containers,
// and, once no container is left at all, mounts, snapshots and control groups.
func leftovers(services ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	first := shared.Nodes()[0]
	for _, args := range [][]string{{"service", "ls"}, {"ps", "-a"}} {
		out, err := first.Orc(ctx, args...)
		if err != nil {
			return err
		}
		for _, service := range services {
			if strings.Contains(out, service) {
				return fmt.Errorf("orc %s still shows %s", strings.Join(args, " "), service)
			}
		}
	}
	out, err := first.Orc(ctx, "ps", "-aq")
	if err != nil || strings.TrimSpace(out) != "" {
		return err // others' containers run: their mounts are not ours to judge
	}
	return traces()
}

// traces looks for what containers leave on a host.
func traces() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, shared.Dir()+"/n") && !strings.Contains(line, "/namespaces/") { // overlayfs names its layers
			return fmt.Errorf("a mount is left: %s", strings.TrimSpace(line))
		}
	}
	bundles, err := filepath.Glob("/run/orc/*/containerd/io.containerd.runtime.v2.task/orc/*")
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		owner, err := os.ReadFile(filepath.Join(strings.SplitAfter(bundle, "/containerd/")[0], "..", "data-dir"))
		if err == nil && strings.HasPrefix(string(owner), shared.Dir()) {
			return fmt.Errorf("a container is left: %s", bundle)
		}
	}
	return nil
}

// snapshots counts the containers' file systems and images' layers of every node.
func snapshots() (count int, err error) {
	for _, node := range shared.Nodes() {
		found, err := filepath.Glob(filepath.Join(node.DataDir(), "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*"))
		if err != nil {
			return 0, err
		}
		count += len(found)
	}
	return count, nil
}
