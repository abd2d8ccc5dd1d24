package etc

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// localhost are the lines that every host has.
const localhost = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// Hosts is what a container's /etc/hosts says.
type Hosts struct {
	// Hostname is the container's own. Of one with dots the first label is its name
	// too.
	Hostname string
	// Names are its other names: its task's.
	Names []string
	// Addresses are its own, the first network's first.
	Addresses []netip.Addr
	// Extra are lines that its spec adds, as api.SplitHost reads them. They come
	// first, as the first line with a name is the one that counts.
	Extra []string
	// Gateway is the address at which the container reaches its node: what
	// host-gateway means.
	Gateway netip.Addr
}

// File returns the file's content.
func (h Hosts) File() ([]byte, error) {
	file := bytes.NewBufferString(localhost)
	for _, line := range h.Extra {
		name, address, err := api.SplitHost(line)
		if err != nil {
			return nil, err
		}
		if address == api.HostGateway {
			if !h.Gateway.IsValid() {
				return nil, fmt.Errorf("host %q: the container has no way to its node", line)
			}
			address = h.Gateway.String()
		}
		fmt.Fprintf(file, "%s\t%s\n", address, name)
	}
	if names := h.names(); len(names) > 0 {
		for _, address := range h.Addresses {
			fmt.Fprintf(file, "%s\t%s\n", address, strings.Join(names, " "))
		}
	}
	return file.Bytes(), nil
}

// names are the container's own, each once.
func (h Hosts) names() []string {
	short, _, _ := strings.Cut(h.Hostname, ".")
	var names []string
	for _, name := range append([]string{h.Hostname, short}, h.Names...) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
