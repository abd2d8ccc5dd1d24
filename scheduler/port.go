package scheduler

// port is a host-mode port of a node: on one of its addresses, or on all.
type port struct {
	protocol  string
	published uint16
	address   string // "" for all
	// service is that of a port whose number the cluster chose, and which no other
	// service can have: published is then the container's port.
	service string
}

// somewhere is the address under which a port counts wherever it is taken.
const somewhere = "*"

func (p port) anywhere() port { return p.at(somewhere) }

func (p port) at(address string) port {
	p.address = address
	return p
}

// taken says whether a task on the node has the port, or it on all addresses.
func (n *node) taken(p port) bool {
	if p.address == "" {
		return n.ports[p.anywhere()] > 0
	}
	return n.ports[p] > 0 || n.ports[p.at("")] > 0
}
