package etc

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// Path is where a host says whom it asks for names.
	Path = "/etc/resolv.conf"
	// SystemdPath is where systemd-resolved says whom it asks itself
	// (systemd-resolved.service(8)).
	SystemdPath = "/run/systemd/resolve/resolv.conf"
)

// fresh is how long what was read is used before the files are looked at again.
const fresh = time.Second

// stubs are the addresses at which systemd-resolved answers its own host.
var stubs = []netip.Addr{netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("127.0.0.54")}

// Node is the node's resolv.conf, as it is now.
type Node struct {
	path, systemd string
	log           *zap.Logger

	mu        sync.Mutex
	looked    time.Time
	contents  [2][]byte
	resolv    Resolv
	endpoints []netip.AddrPort
}

// NewNode follows the files at two paths: Path and SystemdPath, tests apart. What
// they say is read when it is asked for.
func NewNode(path, systemd string, log *zap.Logger) *Node {
	return &Node{path: path, systemd: systemd, log: log.Named("dns")}
}

// Resolv is what the node's resolv.conf says.
func (n *Node) Resolv() Resolv {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.look(time.Now())
	return n.resolv
}

// Servers are the name servers that the node asks. When that is systemd-resolved on
// the host itself it comes first, as only it knows which server has which domain; the
// servers that it asks follow, should it not be reachable from where the agent asks.
// The list is not to be changed.
func (n *Node) Servers() []netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.look(time.Now())
	return n.endpoints
}

// look reads the files again if they were not just read.
func (n *Node) look(now time.Time) {
	if !n.looked.IsZero() && now.Sub(n.looked) < fresh {
		return
	}
	first := n.looked.IsZero()
	n.looked = now
	contents := [2][]byte{n.read(n.path), n.read(n.systemd)}
	if !first && bytes.Equal(contents[0], n.contents[0]) && bytes.Equal(contents[1], n.contents[1]) {
		return
	}
	n.contents = contents
	n.resolv = ParseResolv(contents[0])
	servers := slices.Clone(n.resolv.Servers)
	if slices.ContainsFunc(servers, func(server netip.Addr) bool { return slices.Contains(stubs, server) }) {
		servers = append(servers, ParseResolv(contents[1]).Servers...)
	}
	n.endpoints = nil
	for _, server := range servers {
		n.endpoints = append(n.endpoints, netip.AddrPortFrom(server, 53))
	}
	n.log.Info("the node's name servers are read", zap.Stringers("servers", n.endpoints), zap.Strings("search", n.resolv.Search))
	if len(n.endpoints) == 0 {
		n.log.Warn("the node has no name server: containers find each other, but no name outside", zap.String("file", n.path))
	}
}

// read returns a file's content; none if it is not there.
func (n *Node) read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Warn("name servers cannot be read", zap.Error(err))
	}
	return data
}
