package containerd

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/runtime"
)

const cgroupRoot = "/sys/fs/cgroup"

// host is what the kernel of this host offers.
type host struct {
	unified   bool // cgroup v2
	swapLimit bool // swap can be limited
	ports     bool // low ports can be opened to all users of a network namespace
	ping      bool
}

func hostFacts() host {
	var h host
	var stat unix.Statfs_t
	h.unified = unix.Statfs(cgroupRoot, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
	h.swapLimit = h.unified || exists(filepath.Join(cgroupRoot, "memory/memory.memsw.limit_in_bytes"))
	h.ports = exists("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	h.ping = exists("/proc/sys/net/ipv4/ping_group_range")
	return h
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// cgroupPath is a container's cgroup below each controller's mount, as its spec
// has it.
func cgroupPath(id string) string { return "/" + namespace + "/" + id }

// cgroup reads a container's cgroup (kernel documentation: cgroup-v1/memory.rst,
// cgroup-v1/cpuacct.rst, cgroup-v1/pids.rst, cgroup-v2.rst).
type cgroup struct {
	unified bool
	id      string
}

func (c cgroup) file(controller, name string) string {
	if c.unified {
		controller = ""
	}
	return filepath.Join(cgroupRoot, controller, cgroupPath(c.id), name)
}

// stats samples it; ok is false when it is gone.
func (c cgroup) stats(now time.Time) (s runtime.Stats, ok bool) {
	s.Time = now
	if c.unified {
		cpu, found := pairs(c.file("", "cpu.stat"))
		if !found {
			return s, false
		}
		s.CPU = time.Duration(cpu["usage_usec"]) * time.Microsecond
		memory, _ := pairs(c.file("", "memory.stat"))
		s.Memory = max(0, number(c.file("", "memory.current"))-memory["inactive_file"])
		s.MemoryLimit = number(c.file("", "memory.max"))
		s.Pids = number(c.file("", "pids.current"))
		s.BlockRead, s.BlockWrite = blocks(c.file("", "io.stat"))
		return s, true
	}
	if !exists(c.file("pids", "")) && !exists(c.file("memory", "")) {
		return s, false
	}
	s.CPU = time.Duration(number(c.file("cpuacct", "cpuacct.usage")))
	memory, _ := pairs(c.file("memory", "memory.stat"))
	s.Memory = max(0, number(c.file("memory", "memory.usage_in_bytes"))-memory["total_inactive_file"])
	if limit := number(c.file("memory", "memory.limit_in_bytes")); limit < 1<<62 {
		s.MemoryLimit = limit // v1 says "no limit" with the greatest number of pages
	}
	s.Pids = number(c.file("pids", "pids.current"))
	s.BlockRead, s.BlockWrite = blocks(c.file("blkio", "blkio.throttle.io_service_bytes_recursive"))
	return s, true
}

// killedForMemory says whether the kernel has killed something in it.
func (c cgroup) killedForMemory() bool {
	name := "memory.oom_control"
	if c.unified {
		name = "memory.events"
	}
	events, _ := pairs(c.file("memory", name))
	return events["oom_kill"] > 0
}

// number reads a file that has one; 0 stands for "max" and for nothing.
func number(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// pairs reads lines of a name and a number.
func pairs(path string) (map[string]int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	return parsePairs(data), true
}

func parsePairs(data []byte) map[string]int64 {
	found := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			found[name] = n
		}
	}
	return found
}

func blocks(path string) (read, written int64) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	return parseBlocks(data)
}

// parseBlocks sums v2's "8:0 rbytes=1 wbytes=2 …" and v1's "8:0 Read 1".
func parseBlocks(data []byte) (read, written int64) {
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && (fields[1] == "Read" || fields[1] == "Write") {
			fields = []string{fields[0], map[string]string{"Read": "rbytes=", "Write": "wbytes="}[fields[1]] + fields[2]}
		}
		for _, field := range fields {
			name, value, _ := strings.Cut(field, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				continue
			}
			switch name {
			case "rbytes":
				read += n
			case "wbytes":
				written += n
			}
		}
	}
	return read, written
}
