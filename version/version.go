// Package version says which orc this is, and of what it is made. It reads only
// what the build put into the binary.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Version and Commit are set by the build:
//
//	go build -ldflags "-X github.com/orc-project/orc/version.Version=…"
var (
	Version = "dev"
	Commit  = ""
)

// libraries are the modules whose versions people ask for, by the name they know.
var libraries = map[string]string{
	"go.etcd.io/etcd/server/v3":           "etcd",
	"github.com/containerd/containerd/v2": "containerd client",
}

// Parts returns the versions of what this binary was built from, by name. The
// versions of the bundled containerd and runc are the bundle's to tell.
func Parts() map[string]string {
	parts := map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return parts
	}
	for _, module := range info.Deps {
		if name, wanted := libraries[module.Path]; wanted {
			parts[name] = module.Version
		}
	}
	return parts
}
