package session

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/network"
	"github.com/orc-project/orc/store"
)

// audience knows who must hear of what of the networks: which nodes take part in
// which network, and which services can be reached on it. It is kept up to date by
// what changes, so that a change costs as much as it concerns nodes.
type audience struct {
	mu       sync.Mutex
	tasks    map[string]part            // by task ID: those that are on a network
	members  map[string]map[string]int  // network → node → its tasks there
	hosts    map[string]map[string]int  // service → node → its tasks there
	services map[string]map[string]bool // network → services that can be reached on it
	reach    map[string]reach           // by service ID
	// backends are the tasks that others must know of, by service and task.
	backends map[string]map[string]backend
	// peers are the nodes that run containers, which all others must know of.
	peers map[string]wire.Peer
}

// part is a task's part in networks.
type part struct {
	service  string
	node     string
	networks []string
}

// reach is where a service can be reached. Over the ingress network it is by every
// node (mesh), or by those of its tasks only.
type reach struct {
	networks []string // sorted
	mesh     bool
}

// backend is a task as far as others must know of it.
type backend struct {
	addresses map[string]netip.Addr
	draining  bool
	away      bool // its node is down
}

func newAudience(snapshot *store.Snapshot) *audience {
	a := &audience{
		tasks: make(map[string]part), members: make(map[string]map[string]int), hosts: make(map[string]map[string]int),
		services: make(map[string]map[string]bool), reach: make(map[string]reach), backends: make(map[string]map[string]backend),
		peers: make(map[string]wire.Peer),
	}
	for node := range store.All[api.Node](snapshot) {
		a.setPeer(snapshot, node.ID)
	}
	for service := range store.All[api.Service](snapshot) {
		a.setService(snapshot, service.ID)
	}
	for task := range store.All[api.Task](snapshot) {
		a.setTask(snapshot, task.ID)
	}
	return a
}

// setTask brings a task's part to what the snapshot says. joined and left are the
// networks that its node takes part in from now on, or no more.
func (a *audience) setTask(snapshot *store.Snapshot, id string) (node string, joined, left []string) {
	task := store.Get[api.Task](snapshot, id)
	a.setBackend(snapshot, id, task)
	var next part
	if networks := network.Holds(snapshot, task); len(networks) > 0 {
		next = part{task.Service, task.Node, networks}
	}
	before := a.tasks[id]
	if before.node == next.node {
		return next.node, nil, nil // what it is on never changes
	}
	if before.node != "" {
		delete(a.tasks, id)
		count(a.hosts, before.service, before.node, -1)
		for _, each := range before.networks {
			if count(a.members, each, before.node, -1) == 0 {
				left = append(left, each)
			}
		}
	}
	if next.node == "" {
		return before.node, nil, left
	}
	a.tasks[id] = next
	count(a.hosts, next.service, next.node, 1)
	for _, each := range next.networks {
		if count(a.members, each, next.node, 1) == 1 {
			joined = append(joined, each)
		}
	}
	return next.node, joined, left
}

// count changes how many tasks a node has of something, and returns how many.
func count(of map[string]map[string]int, id, node string, change int) int {
	if of[id] == nil {
		of[id] = make(map[string]int)
	}
	of[id][node] += change
	n := of[id][node]
	if n == 0 {
		delete(of[id], node)
	}
	if len(of[id]) == 0 {
		delete(of, id)
	}
	return n
}

func (a *audience) setBackend(snapshot *store.Snapshot, id string, task *api.Task) {
	next, is := backendOf(snapshot, task)
	service := a.serviceOf(snapshot, id)
	if !is {
		if delete(a.backends[service], id); len(a.backends[service]) == 0 {
			delete(a.backends, service)
		}
		return
	}
	if a.backends[service] == nil {
		a.backends[service] = make(map[string]backend)
	}
	a.backends[service][id] = next
}

// serviceOf is a task's service, also of one that is gone if it was on a network.
func (a *audience) serviceOf(snapshot *store.Snapshot, task string) string {
	if known, found := a.tasks[task]; found {
		return known.service
	}
	if found := store.Get[api.Task](snapshot, task); found != nil {
		return found.Service
	}
	return ""
}

// backendOf says whether a task takes connections, or did a moment ago. One that
// leaves is no backend any more for those who do not know it as one: it gets no new
// connection in either case.
func backendOf(snapshot *store.Snapshot, task *api.Task) (backend, bool) {
	if task == nil || task.Node == "" {
		return backend{}, false
	}
	status := store.Get[api.TaskStatus](snapshot, task.ID)
	if status == nil || len(status.Addresses) == 0 {
		return backend{}, false
	}
	healthy := status.Healthy == nil || *status.Healthy
	away := down(store.Get[api.NodeStatus](snapshot, task.Node))
	switch {
	case task.Desired == api.DesiredRun && status.State == api.TaskRunning && healthy:
		return backend{addresses: status.Addresses, away: away}, true
	case task.Desired != api.DesiredRun && (status.State == api.TaskRunning || status.State == api.TaskStopping):
		return backend{addresses: status.Addresses, draining: true, away: away}, true
	}
	return backend{}, false
}

func (b backend) equal(other backend) bool {
	return b.draining == other.draining && b.away == other.away && maps.Equal(b.addresses, other.addresses)
}

// setService brings where a service can be reached to what the snapshot says.
func (a *audience) setService(snapshot *store.Snapshot, id string) {
	next := reachOf(currentSpec(snapshot, id))
	for _, each := range a.reach[id].networks {
		delete(a.services[each], id)
	}
	delete(a.reach, id)
	if len(next.networks) > 0 {
		a.reach[id] = next
	}
	for _, each := range next.networks {
		if a.services[each] == nil {
			a.services[each] = make(map[string]bool)
		}
		a.services[each][id] = true
	}
}

// setPeer brings what others must know of a node to what the snapshot says.
func (a *audience) setPeer(snapshot *store.Snapshot, id string) {
	if known := peerIn(snapshot, id); known != nil {
		a.peers[id] = *known
	} else {
		delete(a.peers, id)
	}
}

// peersOf are all that a node must know. It is made anew for each that connects, by
// the thousands when they lost their manager together.
func (a *audience) peersOf(node string) map[string]wire.Peer {
	a.mu.Lock()
	defer a.mu.Unlock()
	peers := maps.Clone(a.peers)
	delete(peers, node)
	return peers
}

func peerIn(snapshot *store.Snapshot, id string) *wire.Peer {
	node := store.Get[api.Node](snapshot, id)
	if node == nil || !node.Runs {
		return nil
	}
	known := &wire.Peer{Number: node.Number, Name: node.Name}
	if status := store.Get[api.NodeStatus](snapshot, id); status != nil {
		known.Address = status.Info.Address
	}
	return known
}

func reachOf(spec *api.ServiceSpec) reach {
	if spec == nil {
		return reach{}
	}
	var r reach
	for _, attachment := range spec.Attachments() {
		if attachment.Network != api.IngressID || len(spec.Ports) > 0 {
			r.networks = append(r.networks, attachment.Network)
		}
	}
	slices.Sort(r.networks)
	r.mesh = slices.ContainsFunc(spec.Ports, func(p api.Port) bool { return p.Mode == "ingress" })
	return r
}

func (r reach) equal(other reach) bool {
	return r.mesh == other.mesh && slices.Equal(r.networks, other.networks)
}

// currentSpec is a service's, or nil.
func currentSpec(snapshot *store.Snapshot, id string) *api.ServiceSpec {
	service := store.Get[api.Service](snapshot, id)
	if service == nil {
		return nil
	}
	if revision := store.Get[api.Revision](snapshot, api.RevisionID(service.ID, service.Current)); revision != nil {
		return &revision.Spec
	}
	return nil
}

// ofService adds the nodes from which a service can be reached; all says that it can
// from each.
func (a *audience) ofService(id string, nodes map[string]bool) (all bool) {
	r := a.reach[id]
	for _, each := range r.networks {
		members := a.members[each]
		if each == api.IngressID {
			members = a.hosts[id]
		}
		for node := range members {
			nodes[node] = true
		}
	}
	return r.mesh
}
