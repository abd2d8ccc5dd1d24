package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one row of /proc.
type process struct {
	pid, parent int
	netns       string
	command     string        // arguments, joined by spaces
	spent       time.Duration // of the cores, with what children spent that it has waited for
}

// userHz is how many units of time in /proc are a second, whatever the kernel's own
// clock is (USER_HZ, time(7)).
const userHz = 100

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
		if len(fields) < 15 || fields[0] == "Z" {
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
		found = append(found, process{pid, parent, namespace, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})), ticks(fields[11:15])})
	}
	return found, nil
}

// ticks adds times of /proc up.
func ticks(fields []string) time.Duration {
	var sum time.Duration
	for _, field := range fields {
		count, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(count) * time.Second / userHz
	}
	return sum
}

// processes of the node: all that are in its network namespace or were started
// with its data directory as an argument, and all that descend from those
// (containers with a network of their own).
func (n *Node) processes() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	return n.own(all), nil
}

// own are the node's among all processes.
func (n *Node) own(all []process) []process {
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
	return found
}

// Spent is what the lab's processes have had of the cores, by their IDs. One that has
// ended is not in it, except in what its parent has spent.
func (l *Lab) Spent() (map[int]time.Duration, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	spent := make(map[int]time.Duration)
	for _, node := range l.Nodes() {
		for _, p := range node.own(all) {
			spent[p.pid] = p.spent
		}
	}
	return spent, nil
}

// namespaceID is what /proc/PID/ns/net links to for the namespace at path.
func namespaceID(path string) string {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil {
		return ""
	}
	return "net:[" + strconv.FormatUint(stat.Ino, 10) + "]"
}
