package scheduler

// port is a host-mode port of a node: on one of its addresses, or on all.
type port struct {
	protocol  string
	published uint16
	address   string // "" for all
}

// somewhere is the address under which a port counts wherever it is taken.
const somewhere = "*"

func (p port) anywhere() port { return port{p.protocol, p.published, somewhere} }

// taken says whether a task on the node has the port, or it on all addresses.
func (n *node) taken(p port) bool {
	if p.address == "" {
		return n.ports[p.anywhere()] > 0
	}
	return n.ports[p] > 0 || n.ports[port{p.protocol, p.published, ""}] > 0
}
