// Package etc has the files under /etc that tell a container who it is and whom to
// ask for names, and reads the node's own. It decides what they say; others put them
// into a container.
package etc

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxServers is how many name servers are used, as resolv.conf(5) has it.
const maxServers = 3

// Resolv is what a resolv.conf says (resolv.conf(5)).
type Resolv struct {
	Servers []netip.Addr
	Search  []string
	Options []string
}

// ParseResolv reads a resolv.conf as a C library does: what it does not know it
// skips, and of several search lists the last one counts.
func ParseResolv(data []byte) Resolv {
	var r Resolv
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || strings.ContainsAny(fields[0][:1], "#;") {
			continue
		}
		switch values := fields[1:]; fields[0] {
		case "nameserver":
			server, err := netip.ParseAddr(values[0])
			if err == nil && len(r.Servers) < maxServers && !slices.Contains(r.Servers, server) {
				r.Servers = append(r.Servers, server)
			}
		case "search":
			r.Search = values
		case "domain":
			r.Search = values[:1]
		case "options":
			r.Options = append(r.Options, values...)
		}
	}
	return r
}

// ForContainer is what a container's resolv.conf says on a node that has this one.
// server is where it asks: the agent knows the containers' names and asks the node's
// servers, or the service's own, for it. search and options are the service's. The
// node's search list is used when it has none, and "." means no list; the node's
// options speak of its own servers and are not used.
func (r Resolv) ForContainer(server netip.Addr, search, options []string) Resolv {
	if len(search) == 0 {
		search = r.Search
	}
	if slices.Contains(search, ".") {
		search = nil
	}
	// Names of services have no dots: they are to be tried as they are first.
	if !slices.ContainsFunc(options, func(option string) bool { return strings.HasPrefix(option, "ndots:") }) {
		options = append(slices.Clone(options), "ndots:0")
	}
	return Resolv{Servers: []netip.Addr{server}, Search: search, Options: options}
}

// File returns the file's content.
func (r Resolv) File() []byte {
	var file bytes.Buffer
	for _, server := range r.Servers {
		fmt.Fprintf(&file, "nameserver %s\n", server)
	}
	if len(r.Search) > 0 {
		fmt.Fprintf(&file, "search %s\n", strings.Join(r.Search, " "))
	}
	if len(r.Options) > 0 {
		fmt.Fprintf(&file, "options %s\n", strings.Join(r.Options, " "))
	}
	return file.Bytes()
}
