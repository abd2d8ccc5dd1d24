package node

import (
	"bufio"
	"context"
	"maps"
	"net/netip"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/version"
)

// infoTimeout bounds what the runtime is asked for a NodeInfo.
const infoTimeout = 5 * time.Second

// describe is what the node tells of itself: it is asked for at every connection
// and now and then.
func (n *process) describe(rt runtime.Runtime, engine map[string]string) api.NodeInfo {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = n.config.Name
	}
	info := api.NodeInfo{
		Hostname: hostname,
		Platform: api.Platform{OS: goruntime.GOOS, Arch: goruntime.GOARCH},
		Kernel:   kernel(),
		OS:       distribution("/etc/os-release"),
		Capacity: api.ResourceSet{NanoCPUs: int64(goruntime.NumCPU()) * 1e9, Memory: memory("/proc/meminfo")},
		Version:  version.Version,
		Engine:   engine,
	}
	if address, err := netip.ParseAddr(hostOf(n.config.Advertise)); err == nil {
		info.Address = address
	}
	if volumes, ok := rt.(runtime.Volumes); ok {
		ctx, cancel := context.WithTimeout(context.Background(), infoTimeout)
		defer cancel()
		found, err := volumes.ListVolumes(ctx)
		if err != nil {
			n.log.Warn("the node's volumes cannot be listed", zap.Error(err))
		}
		for _, each := range found {
			info.Volumes = append(info.Volumes, each.Name)
		}
		slices.Sort(info.Volumes)
	}
	return info
}

// engineOf tells what runs the containers, in which versions.
func engineOf(ctx context.Context, rt runtime.Runtime) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	versions, err := rt.Version(ctx)
	return maps.Clone(versions), err
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// distribution is the PRETTY_NAME of os-release(5), or "".
func distribution(path string) string {
	for line := range lines(path) {
		if value, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			if unquoted, err := strconv.Unquote(value); err == nil {
				return unquoted
			}
			return strings.Trim(value, `'"`)
		}
	}
	return ""
}

// memory is the host's, in bytes, from proc_meminfo(5); 0 when it cannot be told.
func memory(path string) int64 {
	for line := range lines(path) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

func lines(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		file, err := os.Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			if !yield(scanner.Text()) {
				return
			}
		}
	}
}
