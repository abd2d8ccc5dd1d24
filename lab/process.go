package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one row of /proc.
type process struct {
	pid, parent int
	netns       string
	command     string // arguments, joined by spaces
}

// processes reads /proc. What ends meanwhile is left out.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		// The name, in parentheses, may have spaces and parentheses (proc(5)).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		namespace, err := os.Readlink(filepath.Join("/proc", entry.Name(), "ns/net"))
		if err != nil {
			continue
		}
		command, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil {
			continue
		}
		found = append(found, process{pid, parent, namespace, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))})
	}
	return found, nil
}

// processes of the node: all that are in its network namespace or were started
// with its data directory as an argument, and all that descend from those
// (containers with a network of their own).
func (n *Node) processes() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	namespace := namespaceID(n.lab.namespace(n.state.Name))
	mine := make(map[int]bool)
	for _, p := range all {
		inside := namespace != "" && p.netns == namespace
		if p.pid != os.Getpid() && (inside || strings.Contains(p.command, n.dir()+"/")) {
			mine[p.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if mine[p.parent] && !mine[p.pid] && p.pid != os.Getpid() {
				mine[p.pid], grown = true, true
			}
		}
	}
	var found []process
	for _, p := range all {
		if mine[p.pid] {
			found = append(found, p)
		}
	}
	return found, nil
}

// namespaceID is what /proc/PID/ns/net links to for the namespace at path.
func namespaceID(path string) string {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil {
		return ""
	}
	return "net:[" + strconv.FormatUint(stat.Ino, 10) + "]"
}
