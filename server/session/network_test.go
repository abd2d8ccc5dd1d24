package session

import (
	"maps"
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
