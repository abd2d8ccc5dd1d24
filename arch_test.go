package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/orc-project/orc"

// rooms says which of orc's own rooms each room may import, tests apart. A room
// covers what lies below it unless that has a row of its own. An arrow that is
// not here is a mistake in the code or a decision to be written down here.
var rooms = map[string][]string{
	"":                        {"cli", "runtime/containerd/initproc", "runtime/bundle"},
	"api":                     {},
	"api/wire":                {"api"},
	"api/client":              {"api", "api/wire", "sleep"},
	"compose":                 {"api"},
	"cli":                     {"api", "api/wire", "api/client", "compose", "limit", "node", "lab", "version", "sleep"},
	"node":                    {"api", "api/wire", "api/client", "limit", "server", "agent", "store", "runtime", "version", "store/etcd", "store/member", "store/seal", "store/backup", "runtime/containerd", "runtime/bundle", "agent/network", "agent/network/link", "sleep"},
	"limit":                   {"sleep"},
	"server":                  {"api", "api/wire", "limit", "scheduler", "store", "version", "planted", "sleep"},
	"scheduler":               {"api", "store"},
	"store":                   {"api"},
	"store/etcd":              {"api", "store", "planted", "sleep"},
	"store/member":            {"api", "limit", "store", "version"},
	"store/member/membertest": {"store/member"},
	"store/memory":            {"api", "store"},
	"store/storetest":         {"api", "store"},
	"store/seal":              {"api"},
	"store/backup":            {"api", "store/seal"},
	"agent":                   {"api", "api/wire", "runtime", "version", "sleep"},
	"agent/network":           {"api", "api/wire", "runtime", "agent", "agent/disk", "planted", "sleep"},
	"agent/disk":              {"api/wire"},
	"agent/network/scheme":    {},
	"agent/network/rules":     {"agent/network/scheme"},
	"agent/network/link":      {"agent/network/scheme"},
	"agent/network/dns":       {},
	"runtime":                 {"api"},
	"runtime/containerd":      {"api", "runtime", "runtime/bundle", "sleep"},
	"runtime/fake":            {"api", "runtime", "sleep"},
	"runtime/runtimetest":     {"api", "runtime"},
	"runtime/bundle":          {},
	"runtime/bundle/pack":     {"runtime/bundle"},
	"lab":                     {"sleep"},
	"lab/chaos":               {"api", "api/client", "lab", "sleep"},
	"planted":                 {},
	"sleep":                   {},
	"version":                 {},
	"testdata":                {},
}

// owners says which rooms alone may import a library: what it is made of does not
// leave them.
var owners = map[string][]string{
	"go.etcd.io/":                       {"store/etcd", "store/member"},
	"github.com/containerd/containerd/": {"runtime/containerd"},
	"github.com/vishvananda/netlink":    {"agent/network", "lab"},
	"github.com/google/nftables":        {"agent/network", "lab"},
	"github.com/miekg/dns":              {"agent/network"},
	"github.com/mdlayher/netlink":       {"agent/network"},
	"github.com/compose-spec/":          {"compose"},
	"github.com/urfave/cli/":            {"cli"},
}

type goPackage struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
}

func TestArrowsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		room := own(p.ImportPath)
		allowed, found := roomOf(room)
		if !found {
			t.Errorf("%s: no row in rooms: which arrows may it have?", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"/") || imported == module {
				target := own(imported)
				if !within(home(room), target) && !slices.ContainsFunc(allowed, func(a string) bool { return reaches(a, target) }) {
					t.Errorf("%s must not import %s", room, target)
				}
				continue
			}
			for library, rooms := range owners {
				if strings.HasPrefix(imported, library) && !slices.ContainsFunc(rooms, func(r string) bool { return within(r, room) }) {
					t.Errorf("%s must not import %s: only %s may", room, imported, strings.Join(rooms, ", "))
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// packages lists the module's own.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports", "./...").Output()
	require.NoError(t, err)
	var found []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else {
			require.NoError(t, err)
		}
		found = append(found, p)
	}
}

func own(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// roomOf finds the row of the room or of the nearest one above it.
func roomOf(room string) ([]string, bool) {
	for at := room; ; at = at[:max(0, strings.LastIndexByte(at, '/'))] {
		if allowed, found := rooms[at]; found && (at != "" || room == "") {
			return append([]string{at}, allowed...), true // its parts may know each other
		}
		if at == "" {
			return nil, false
		}
	}
}

// reaches says whether a row that allows a room allows the target: the room
// itself and what lies below it, unless the target has a row of its own.
func reaches(allowed, target string) bool {
	if allowed == target {
		return true
	}
	_, separate := rooms[target]
	return within(allowed, target) && !separate
}

// home is the nearest room above that has a row: what lies below it is one room.
func home(room string) string {
	for at := room; at != ""; at = at[:max(0, strings.LastIndexByte(at, '/'))] {
		if _, found := rooms[at]; found {
			return at
		}
	}
	return room
}

// within says whether target is room or lies below it.
func within(room, target string) bool {
	return room == target || room != "" && strings.HasPrefix(target, room+"/")
}
