// Package host tells what a node is: its name, kernel, cores, memory. It reads the
// system only, and never changes it.
package host

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
)

// Info describes this host. What cannot be read is left out.
func Info() (api.NodeInfo, error) {
	info := api.NodeInfo{
		Platform: api.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH},
		OS:       prettyName("/etc/os-release"),
	}
	var err error
	if info.Hostname, err = os.Hostname(); err != nil {
		return info, fmt.Errorf("read the host's name: %w", err)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return info, fmt.Errorf("read the kernel's version: %w", err)
	}
	info.Kernel = unix.ByteSliceToString(name.Release[:])
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		return info, fmt.Errorf("read the memory's size: %w", err)
	}
	info.Capacity = api.ResourceSet{
		NanoCPUs: int64(runtime.NumCPU()) * 1e9,
		Memory:   int64(memory.Totalram) * int64(memory.Unit),
	}
	return info, nil
}

// prettyName is the system's name for people, of os-release(5).
func prettyName(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); found {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}
