package session

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// known is what a node has learned of the networks.
type known struct {
	networks map[string]wire.Network
	peers    map[string]wire.Peer
	blocks   map[string]wire.Block
	services map[string]wire.Service
	backends map[string]wire.Backend
}

func newKnown() *known {
	return &known{
		make(map[string]wire.Network), make(map[string]wire.Peer), make(map[string]wire.Block),
		make(map[string]wire.Service), make(map[string]wire.Backend),
	}
}

func (k *known) learn(state *wire.NetworkState) {
	change(k.networks, state.Networks)
	change(k.peers, state.Peers)
	change(k.blocks, state.Blocks)
	change(k.services, state.Services)
	change(k.backends, state.Backends)
}

func change[T any](table map[string]T, changes wire.Changes[T]) {
	for _, id := range changes.Gone {
		delete(table, id)
	}
	maps.Copy(table, changes.Set)
}

func node(id string, number uint16) *api.Node {
	return &api.Node{Meta: api.Meta{ID: id}, Name: "name-" + id, Number: number, Runs: true, Role: api.RoleWorker}
}

func overlay(id string) *api.Network {
	subnets := map[string]string{api.IngressID: "10.0.0.0/16", "front": "10.1.0.0/24", "back": "10.2.0.0/24", "side": "10.3.0.0/24"}
	return &api.Network{Meta: api.Meta{ID: id}, Name: "my-" + id, Subnet: netip.MustParsePrefix(subnets[id])}
}

func blockOf(network, node, prefix string) *api.Block {
	return &api.Block{Meta: api.Meta{ID: api.BlockID(network, node)}, Network: network, Node: node, Prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}}
}

// connected is a service with its revision, on networks and with ports.
func connected(id string, ports []api.Port, networks ...string) []api.Object {
	spec := api.ServiceSpec{Name: id, Endpoint: api.EndpointVIP, Ports: ports}
	virtual := make(map[string]netip.Addr)
	for i, each := range networks {
		spec.Networks = append(spec.Networks, api.NetworkAttachment{Network: each, Aliases: []string{"also-" + id}})
		virtual[each] = netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 1})
	}
	return []api.Object{
		&api.Service{Meta: api.Meta{ID: id}, Name: id, AppName: "shop", Current: 1},
		&api.Revision{Meta: api.Meta{ID: api.RevisionID(id, 1)}, Service: id, Number: 1, Spec: spec},
		&api.Endpoint{Meta: api.Meta{ID: id}, Virtual: virtual, Ports: ports},
	}
}

func taskOf(id, service, node string) *api.Task {
	return &api.Task{Meta: api.Meta{ID: id}, Service: service, Revision: 1, Slot: 1, Node: node, Desired: api.DesiredRun}
}

func reached(task, network, address string) *api.TaskStatus {
	return &api.TaskStatus{Meta: api.Meta{ID: task}, State: api.TaskRunning, Addresses: map[string]netip.Addr{network: netip.MustParseAddr(address)}}
}

// networkOf joins what a node was told since the last call.
func (a *agent) networkState() *known {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := newKnown()
	for _, each := range a.messages {
		if each.Network != nil {
			k.learn(each.Network)
		}
	}
	return k
}

func TestANodeIsToldOfItsNetworksAndOfNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		put(t, s, node("n1", 1), node("n2", 2), node("n3", 3), overlay(api.IngressID), overlay("front"), overlay("back"),
			blockOf("front", "", "10.1.0.0/30"), blockOf("front", "n1", "10.1.0.16/28"), blockOf("front", "n2", "10.1.0.32/28"), blockOf("back", "n2", "10.2.0.16/28"))
		put(t, s, connected("web", nil, "front")...)
		put(t, s, connected("db", nil, "back")...)
		put(t, s, connected("both", nil, "front", "back")...)
		put(t, s, taskOf("w1", "web", "n1"), reached("w1", "front", "10.1.0.17"), taskOf("d1", "db", "n2"), reached("d1", "back", "10.2.0.17"))
		both := reached("b1", "front", "10.1.0.33")
		both.Addresses["back"] = netip.MustParseAddr("10.2.0.18")
		put(t, s, taskOf("b1", "both", "n2"), both)
		m := newManager(t, s)
		defer m.stop()
		a := m.connect("n1")
		defer a.hangUp()
		k := a.networkState()
		require.Equal(t, []string{"front", api.IngressID}, slices.Sorted(maps.Keys(k.networks)))
		require.Equal(t, wire.Network{Name: "my-front", Subnet: netip.MustParsePrefix("10.1.0.0/24"), Virtual: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/30")}}, k.networks["front"])
		require.Equal(t, []string{"n2", "n3"}, slices.Sorted(maps.Keys(k.peers)))
		require.Equal(t, []string{"front.n1", "front.n2"}, slices.Sorted(maps.Keys(k.blocks)))
		require.Equal(t, uint16(2), k.blocks["front.n2"].Node)
		require.Equal(t, []string{"both", "web"}, slices.Sorted(maps.Keys(k.services)))
		require.Equal(t, []string{"front"}, slices.Sorted(maps.Keys(k.services["both"].Networks)), "nothing of the other network")
		require.Equal(t, wire.Backend{Service: "both", Node: 2, Slot: 1, Name: "both.1", Addresses: map[string]netip.Addr{"front": netip.MustParseAddr("10.1.0.33")}}, k.backends["b1"])
		require.NotContains(t, k.backends, "d1")

		a.received()
		put(t, s, taskOf("d2", "db", "n1"))
		m.settle()
		k = a.networkState()
		require.Contains(t, k.networks, "back")
		require.Contains(t, k.blocks, "back.n2")
		require.Len(t, k.services["both"].Networks, 2)
		require.Len(t, k.backends["b1"].Addresses, 2)
		require.Contains(t, k.backends, "d1")
		messages := a.received()
		require.Len(t, messages, 1)
		require.NotNil(t, messages[0].Network, "with the task that needs it")
		require.Len(t, messages[0].Tasks, 1)
	})
}

func TestABackendHasTheHostNameOfItsContainer(t *testing.T) {
	for hostname, want := range map[string]string{
		"":                   "",
		"web":                "web",
		"web-{{.Task.Slot}}": "web-1",
		"{{.Node.Hostname}}-{{.Service.Name}}-{{.Node.Platform.OS}}": "name-n2-web-linux",
		"{{.Task.Nothing}}":          "",
		"{{.Service.Name}} and more": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(t)
			put(t, s, node("n1", 1), node("n2", 2), overlay("front"))
			web := connected("web", nil, "front")
			web[1].(*api.Revision).Spec.Container.Hostname = hostname
			put(t, s, web...)
			put(t, s, &api.NodeStatus{Meta: api.Meta{ID: "n2"}, Info: api.NodeInfo{Platform: api.Platform{OS: "linux"}}})
			put(t, s, taskOf("w1", "web", "n1"), taskOf("w2", "web", "n2"), reached("w2", "front", "10.1.0.17"))
			m := newManager(t, s)
			defer m.stop()
			a := m.connect("n1")
			defer a.hangUp()
			require.Equal(t, want, a.networkState().backends["w2"].Hostname, hostname)
		})
	}
}

func TestABackendIsOneWhileItTakesConnections(t *testing.T) {
	well, ill := true, false
	for name, test := range map[string]struct {
		desired api.Desired
		state   api.TaskState
		healthy *bool
		is      bool
		drains  bool
	}{
		"running":              {api.DesiredRun, api.TaskRunning, nil, true, false},
		"healthy":              {api.DesiredRun, api.TaskRunning, &well, true, false},
		"unhealthy":            {api.DesiredRun, api.TaskRunning, &ill, false, false},
		"starting":             {api.DesiredRun, api.TaskStarting, nil, false, false},
		"waits for a restart":  {api.DesiredRun, api.TaskWaiting, nil, false, false},
		"is to end":            {api.DesiredShutdown, api.TaskRunning, nil, true, true},
		"is to go":             {api.DesiredRemove, api.TaskStopping, nil, true, true},
		"ended":                {api.DesiredShutdown, api.TaskShutdown, nil, false, false},
		"never came to run":    {api.DesiredShutdown, api.TaskStarting, nil, false, false},
		"stops to be restated": {api.DesiredRun, api.TaskStopping, nil, false, false},
	} {
		status := reached("t", "front", "10.1.0.17")
		status.State, status.Healthy = test.state, test.healthy
		task := taskOf("t", "web", "n1")
		task.Desired = test.desired
		b, is := backendOf(store.NewSnapshot(1, task, status), task)
		require.Equal(t, test.is, is, name)
		require.Equal(t, test.drains, b.draining, name)
	}
}

func TestABackendIsAwayWhileItsNodeIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		put(t, s, node("n1", 1), node("n2", 2), overlay(api.IngressID), overlay("front"))
		put(t, s, connected("web", nil, "front")...)
		put(t, s, taskOf("w1", "web", "n1"), reached("w1", "front", "10.1.0.17"), taskOf("w2", "web", "n2"), reached("w2", "front", "10.1.0.33"))
		m := newManager(t, s)
		defer m.stop()
		a, other := m.connect("n1"), m.connect("n2")
		defer a.hangUp()
		require.False(t, a.networkState().backends["w2"].Away)
		other.hangUp()
		time.Sleep(time.Minute) // of the bubble's time
		m.settle()
		require.Equal(t, api.NodeDown, m.node("n2").State)
		require.True(t, a.networkState().backends["w2"].Away)
		require.False(t, a.networkState().backends["w1"].Away)

		other = m.connect("n2")
		defer other.hangUp()
		require.False(t, a.networkState().backends["w2"].Away)
	})
}

func TestPublishedPortsAreToldToWhoAnswersThem(t *testing.T) {
	s := store.NewBuilder(nil)
	mesh := []api.Port{{Protocol: "tcp", Target: 80, Published: 8080, Mode: "ingress"}}
	host := []api.Port{{Protocol: "tcp", Target: 90, Published: 9090, Mode: "host"}, {Protocol: "tcp", Target: 91, Mode: "host"}}
	objects := []api.Object{node("n1", 1), node("n2", 2), overlay(api.IngressID), overlay("front")}
	objects = append(objects, connected("mesh", mesh)...)
	objects = append(objects, connected("host", host, "front")...)
	objects = append(objects, connected("quiet", nil)...)
	for _, service := range []string{"mesh", "host", "quiet"} {
		objects = append(objects, taskOf("t-"+service, service, "n1"), reached("t-"+service, api.IngressID, "10.0.0.17"))
	}
	for _, object := range objects {
		s.Put(object)
	}
	snapshot := s.Snapshot(1)
	of := func(node string) *known {
		k := newKnown()
		k.learn(newSurroundings(node, newAudience(snapshot)).full(snapshot))
		return k
	}
	first, second := of("n1"), of("n2")
	require.Equal(t, mesh, first.services["mesh"].Ports)
	require.Equal(t, mesh, second.services["mesh"].Ports, "every node answers")
	require.Contains(t, second.backends, "t-mesh")
	require.Equal(t, host[:1], first.services["host"].Ports, "one without a number is still to get one")
	require.NotContains(t, second.services, "host", "no task of it is there")
	require.NotContains(t, first.services, "quiet", "nobody reaches it by the ingress network")
}

// TestChangesLeadToWhatIsTrue: whatever changes in whatever order, who was told of
// the changes knows what one knows who is told everything.
func TestChangesLeadToWhatIsTrue(t *testing.T) {
	for seed := range uint64(300) {
		w := &random{Rand: rand.New(rand.NewPCG(seed, 7)), snapshot: store.NewSnapshot(0)}
		audience := newAudience(w.snapshot)
		nodes := []string{"n1", "n2", "n3", "n4"}
		told, around := make(map[string]*known), make(map[string]*surroundings)
		for _, id := range nodes {
			told[id], around[id] = newKnown(), newSurroundings(id, audience)
			told[id].learn(around[id].full(w.snapshot))
		}
		seen, noted := w.snapshot, make(map[string]*news)
		for range 60 {
			for range 1 + w.IntN(4) {
				w.disturb()
			}
			b := audience.tidings(store.Update{Snapshot: w.snapshot, Changes: store.Diff(seen, w.snapshot)})
			seen = w.snapshot
			for _, id := range nodes {
				if noted[id] == nil {
					noted[id] = &news{}
				}
				noted[id].add(&b.everyone)
				noted[id].add(b.of(id))
				if w.IntN(3) == 0 {
					continue // a slow one: it is told of several changes at once
				}
				told[id].learn(around[id].delta(seen, noted[id]))
				delete(noted, id)
				fresh := newKnown()
				fresh.learn(newSurroundings(id, newAudience(seen)).full(seen))
				require.Equal(t, fresh, told[id], "seed %d, node %s", seed, id)
				requireOwnNetworksOnly(t, seen, id, fresh)
			}
		}
	}
}

// requireOwnNetworksOnly holds what a node knows against what it may know, worked
// out another way.
func requireOwnNetworksOnly(t *testing.T, snapshot *store.Snapshot, id string, k *known) {
	mine, runs := make(map[string]bool), false
	if of := store.Get[api.Node](snapshot, id); of != nil && of.Runs {
		runs = true
	}
	for task := range store.All[api.Task](snapshot) {
		status := store.Get[api.TaskStatus](snapshot, task.ID)
		if task.Node != id || status != nil && status.State.Terminal() {
			continue
		}
		spec := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision)).Spec
		for _, attachment := range spec.Attachments() {
			mine[attachment.Network] = true
		}
	}
	mine[api.IngressID] = runs
	for network := range k.networks {
		require.True(t, mine[network])
	}
	for _, block := range k.blocks {
		require.True(t, mine[block.Network])
	}
	for _, service := range k.services {
		require.NotEmpty(t, service.Networks)
		for network := range service.Networks {
			require.True(t, mine[network])
		}
	}
	for _, backend := range k.backends {
		require.Contains(t, k.services, backend.Service)
		for network := range backend.Addresses {
			require.Contains(t, k.services[backend.Service].Networks, network)
		}
	}
	require.NotContains(t, k.peers, id)
}

// random is a database in which anything changes.
type random struct {
	*rand.Rand
	snapshot *store.Snapshot
	serial   int
}

func (w *random) one(of ...string) string { return of[w.IntN(len(of))] }

func (w *random) disturb() {
	b := store.NewBuilder(w.snapshot)
	revision := w.snapshot.Revision() + 1
	put := func(objects ...api.Object) {
		for _, object := range objects {
			object.Header().Version = revision
			b.Put(object)
		}
	}
	network := w.one(api.IngressID, "front", "back", "side")
	service, at := w.one("s1", "s2", "s3"), w.one("n1", "n2", "n3", "n4")
	switch w.IntN(11) {
	case 0:
		if w.IntN(3) == 0 {
			b.Delete(api.KindNetwork, network)
		} else {
			put(overlay(network))
		}
	case 1:
		owner := w.one("", "n1", "n2")
		if w.IntN(3) == 0 {
			b.Delete(api.KindBlock, api.BlockID(network, owner))
		} else {
			put(blockOf(network, owner, w.one("10.1.0.0/28", "10.1.0.16/28")))
		}
	case 2:
		next := node(at, uint16(at[1]-'0'))
		next.Runs, next.Name = w.IntN(4) > 0, w.one("a-", "b-")+at
		put(next)
	case 3:
		put(&api.NodeStatus{Meta: api.Meta{ID: at}, State: api.NodeState(w.one(string(api.NodeReady), string(api.NodeDown))), Info: api.NodeInfo{Address: netip.MustParseAddr(w.one("192.0.2.1", "192.0.2.2"))}})
	case 4:
		b.Delete(api.KindNode, at)
	case 5, 6:
		w.serial++
		var on []string
		for _, each := range []string{"front", "back", "side"} {
			if w.IntN(2) == 0 {
				on = append(on, each)
			}
		}
		var ports []api.Port
		if w.IntN(2) == 0 {
			ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 80, Mode: w.one("ingress", "host")}}
		}
		objects := connected(service, ports, on...)
		objects[0].(*api.Service).Current = w.serial
		made := objects[1].(*api.Revision)
		made.ID, made.Number = api.RevisionID(service, w.serial), w.serial
		put(objects...)
		if w.IntN(4) == 0 {
			b.Delete(api.KindEndpoint, service)
		}
	case 7:
		b.Delete(api.KindService, service)
		b.Delete(api.KindEndpoint, service)
	case 8:
		if of := store.Get[api.Service](w.snapshot, service); of != nil {
			next := taskOf(fmt.Sprint("t", revision), service, at)
			next.Revision, next.Slot = of.Current, w.IntN(2)
			put(next)
		}
	default:
		for task := range store.All[api.Task](w.snapshot) {
			switch w.IntN(6) {
			case 0:
				next := *task
				next.Desired = api.DesiredShutdown
				put(&next)
			case 1, 2, 3:
				status := reached(task.ID, network, w.one("10.1.0.4", "10.1.0.5"))
				status.State = api.TaskState(w.one(string(api.TaskRunning), string(api.TaskRunning), string(api.TaskStopping), string(api.TaskShutdown)))
				if old := store.Get[api.TaskStatus](w.snapshot, task.ID); old == nil || !old.State.Terminal() {
					put(status)
				}
			case 4:
				b.Delete(api.KindTask, task.ID)
				b.Delete(api.KindTaskStatus, task.ID)
			}
		}
	}
	w.snapshot = b.Snapshot(revision)
}
