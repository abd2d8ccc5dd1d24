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
		if strings.Contains(line, shared.Dir()+"/n") && !strings.Contains(line, "/namespaces/") {
			return fmt.Errorf("a mount is left: %s", strings.TrimSpace(line))
		}
	}
	for _, node := range shared.Nodes() {
		bundles, err := filepath.Glob(filepath.Join(node.DataDir(), "*/*/io.containerd.runtime.v2.task/orc/*"))
		if err != nil {
			return err
		}
		if len(bundles) > 0 {
			return fmt.Errorf("containers are left: %v", bundles)
		}
	}
	return nil
}
