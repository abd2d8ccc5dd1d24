package session

import (
	"net/netip"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// surroundings are the networks that a node has been told it takes part in. All else
// that it knows of networks follows from them and from a snapshot, so that nothing
// of it has to be remembered here. It is for one goroutine.
type surroundings struct {
	node     string
	audience *audience
	networks map[string]bool
}

func newSurroundings(node string, a *audience) *surroundings {
	return &surroundings{node: node, audience: a, networks: make(map[string]bool)}
}

// topicsOf are the networks and all that is on them.
func (a *audience) topicsOf(snapshot *store.Snapshot, networks map[string]bool, yield func(topic)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range networks {
		a.topicsOn(snapshot, id, yield)
	}
}

// full is all that the node must know.
func (s *surroundings) full(snapshot *store.Snapshot) *wire.NetworkState {
	clear(s.networks)
	for task := range store.Find[api.Task](snapshot, store.ByNode, s.node) {
		for _, id := range network.Holds(snapshot, task) {
			s.networks[id] = true
		}
	}
	delete(s.networks, api.IngressID)
	if node := store.Get[api.Node](snapshot, s.node); node != nil && node.Runs {
		s.networks[api.IngressID] = true
	}
	a := s.account(snapshot)
	s.audience.topicsOf(snapshot, s.networks, func(t topic) { a.topics[t] = struct{}{} })
	state := a.state()
	state.Peers.Set = s.audience.peersOf(s.node)
	for _, gone := range []*[]string{&state.Networks.Gone, &state.Peers.Gone, &state.Blocks.Gone, &state.Services.Gone, &state.Backends.Gone} {
		*gone = nil // it begins with nothing
	}
	return state
}

// delta is what became different by the news. Of what is gone it may tell the node
// although the node never heard of it.
func (s *surroundings) delta(snapshot *store.Snapshot, n *news) *wire.NetworkState {
	a := s.account(snapshot)
	for id, takesPart := range n.joined {
		if takesPart {
			s.networks[id] = true
		} else {
			delete(s.networks, id)
		}
	}
	a.topics = n.topics
	return a.state()
}

// account makes a NetworkState.
type account struct {
	*surroundings
	snapshot *store.Snapshot
	topics   map[topic]struct{}
	// What was looked up already: what the node can know of services, nil for nothing,
	// and objects that many others refer to.
	services  map[string]*wire.Service
	nodes     map[string]*api.Node
	revisions map[revisionKey]*api.Revision
}

type revisionKey struct {
	service string
	number  int
}

func (s *surroundings) account(snapshot *store.Snapshot) *account {
	return &account{
		surroundings: s, snapshot: snapshot, topics: make(map[topic]struct{}),
		services: make(map[string]*wire.Service), nodes: make(map[string]*api.Node), revisions: make(map[revisionKey]*api.Revision),
	}
}

// state says of each topic what the node may know of it.
func (a *account) state() *wire.NetworkState {
	state := &wire.NetworkState{}
	for t := range a.topics {
		switch t.kind {
		case api.KindNetwork:
			tell(&state.Networks, t.id, a.ofNetwork(t.id))
		case api.KindBlock:
			tell(&state.Blocks, t.id, a.ofBlock(t.id))
		case api.KindNode:
			if t.id != a.node {
				tell(&state.Peers, t.id, peerIn(a.snapshot, t.id))
			}
		case api.KindService:
			tell(&state.Services, t.id, a.ofService(t.id))
		case api.KindTask:
			tell(&state.Backends, t.id, a.ofTask(t.id))
		}
	}
	return state
}

// tell adds what is known of an object, or that nothing is.
func tell[T any](c *wire.Changes[T], id string, known *T) {
	if known == nil {
		c.Gone = append(c.Gone, id)
		return
	}
	if c.Set == nil {
		c.Set = make(map[string]T)
	}
	c.Set[id] = *known
}

func (a *account) ofNetwork(id string) *wire.Network {
	of := store.Get[api.Network](a.snapshot, id)
	if !a.networks[id] || of == nil || !of.Subnet.IsValid() {
		return nil
	}
	known := &wire.Network{Name: of.Name, Subnet: of.Subnet, Internal: of.Spec.Internal, MTU: of.Spec.MTU}
	if virtual := store.Get[api.Block](a.snapshot, api.BlockID(id, "")); virtual != nil {
		known.Virtual = virtual.Prefixes
	}
	return known
}

func (a *account) ofBlock(id string) *wire.Block {
	block := store.Get[api.Block](a.snapshot, id)
	if block == nil || !a.networks[block.Network] {
		return nil
	}
	node := a.host(block.Node)
	if node == nil {
		return nil
	}
	return &wire.Block{Network: block.Network, Node: node.Number, Prefixes: block.Prefixes, Lacks: block.Lacks}
}

// host is a node, or nil when it is gone.
func (a *account) host(id string) *api.Node {
	node, known := a.nodes[id]
	if !known {
		node = store.Get[api.Node](a.snapshot, id)
		a.nodes[id] = node
	}
	return node
}

func (a *account) revision(service string, number int) *api.Revision {
	key := revisionKey{service, number}
	revision, known := a.revisions[key]
	if !known {
		revision = store.Get[api.Revision](a.snapshot, api.RevisionID(service, number))
		a.revisions[key] = revision
	}
	return revision
}

// ofService is a service on the networks that it shares with the node.
func (a *account) ofService(id string) *wire.Service {
	known, done := a.services[id]
	if !done {
		known = a.seen(id)
		a.services[id] = known
	}
	return known
}

func (a *account) seen(id string) *wire.Service {
	service := store.Get[api.Service](a.snapshot, id)
	if service == nil {
		return nil
	}
	revision := a.revision(id, service.Current)
	if revision == nil {
		return nil
	}
	spec := &revision.Spec
	endpoint := store.Get[api.Endpoint](a.snapshot, id)
	if endpoint == nil {
		endpoint = &api.Endpoint{}
	}
	known := &wire.Service{Name: service.Name, App: service.AppName, Networks: make(map[string]wire.ServiceNetwork), DrainDelay: api.Duration(api.DefaultDrainDelay)}
	if spec.DrainDelay != nil {
		known.DrainDelay = *spec.DrainDelay
	}
	for _, attachment := range spec.Attachments() {
		switch {
		case !a.networks[attachment.Network]:
		case attachment.Network != api.IngressID:
			known.Networks[attachment.Network] = wire.ServiceNetwork{Virtual: endpoint.Virtual[attachment.Network], Aliases: attachment.Aliases}
		case a.published(id, reachOf(spec)):
			known.Networks[api.IngressID] = wire.ServiceNetwork{}
			known.Ports = numbered(endpoint.Ports)
		}
	}
	if len(known.Networks) == 0 {
		return nil
	}
	return known
}

// published says whether a service's ports are the node's to answer: all nodes
// answer those of the mode ingress, the nodes of its tasks those of the mode host.
func (a *account) published(service string, r reach) bool {
	if r.mesh || !slices.Contains(r.networks, api.IngressID) {
		return r.mesh
	}
	for task := range store.Find[api.Task](a.snapshot, store.ByService, service) {
		if task.Node == a.node && len(network.Holds(a.snapshot, task)) > 0 {
			return true
		}
	}
	return false
}

// numbered are the ports that have a number.
func numbered(ports []api.Port) []api.Port {
	return slices.DeleteFunc(slices.Clone(ports), func(p api.Port) bool { return p.Published == 0 })
}

// ofTask is a task that takes connections, at its addresses on the networks that the
// node shares with its service.
func (a *account) ofTask(id string) *wire.Backend {
	task := store.Get[api.Task](a.snapshot, id)
	b, is := backendOf(a.snapshot, task)
	if !is {
		return nil
	}
	service, node := a.ofService(task.Service), a.host(task.Node)
	if service == nil || node == nil {
		return nil
	}
	known := &wire.Backend{
		Service: task.Service, Node: node.Number, Slot: task.Slot, Name: api.TaskName(service.Name, task, node.Name),
		Addresses: make(map[string]netip.Addr), Draining: b.draining, Away: b.away,
	}
	for id := range service.Networks {
		if at, found := b.addresses[id]; found {
			known.Addresses[id] = at
		}
	}
	if len(known.Addresses) == 0 {
		return nil
	}
	if revision := a.revision(task.Service, task.Revision); revision != nil {
		known.Hostname = a.hostname(task, service.Name, &revision.Spec, node)
	}
	return known
}

// hostname is that of a task's container as a name in DNS, or "" when it is none that
// could be asked for.
func (a *account) hostname(task *api.Task, service string, spec *api.ServiceSpec, node *api.Node) string {
	var platform api.Platform
	if status := store.Get[api.NodeStatus](a.snapshot, node.ID); status != nil {
		platform = status.Info.Platform
	}
	name, err := api.NewTemplateData(task, service, spec, node.Name, platform).Expand("hostname", spec.Container.Hostname)
	if err != nil || name == "" || api.ValidateName("host", name) != nil {
		return ""
	}
	return name
}
