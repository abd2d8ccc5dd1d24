package network

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// world is a database of which each change is a new snapshot.
type world struct {
	t        testing.TB
	snapshot *store.Snapshot
}

func newWorld(t testing.TB, objects ...api.Object) *world {
	w := &world{t: t, snapshot: store.NewSnapshot(0)}
	w.put(append(objects, &api.Cluster{Meta: api.Meta{ID: api.ClusterID}})...)
	return w
}

func (w *world) put(objects ...api.Object) {
	b := store.NewBuilder(w.snapshot)
	for _, object := range objects {
		object.Header().Version = w.snapshot.Revision() + 1
		b.Put(object)
	}
	w.snapshot = b.Snapshot(w.snapshot.Revision() + 1)
}

func (w *world) remove(kind api.Kind, ids ...string) {
	b := store.NewBuilder(w.snapshot)
	for _, id := range ids {
		b.Delete(kind, id)
	}
	w.snapshot = b.Snapshot(w.snapshot.Revision() + 1)
}

func (w *world) write(changes []Change) {
	for _, change := range changes {
		if change.After == nil {
			w.remove(change.Before.Kind(), change.Before.Header().ID)
			continue
		}
		w.put(change.After)
	}
}

func (w *world) network(name, subnet string) (*api.Network, error) {
	network := &api.Network{Meta: api.Meta{ID: name}, Name: name, Spec: api.NetworkSpec{Name: name, Subnet: subnet}}
	ledger := Open(w.snapshot)
	if err := ledger.AddNetwork(network); err != nil {
		return nil, err
	}
	w.put(network)
	w.write(ledger.Blocks())
	return network, nil
}

func (w *world) mustNetwork(name, subnet string) *api.Network {
	network, err := w.network(name, subnet)
	require.NoError(w.t, err)
	return network
}

// services brings services to their specs in one draft.
func (w *world) services(specs ...api.ServiceSpec) error {
	ledger := Open(w.snapshot)
	var wishes []Wish
	for _, spec := range specs {
		service := &api.Service{Meta: api.Meta{ID: spec.Name}, Name: spec.Name, Current: 1}
		for revision := range store.Find[api.Revision](w.snapshot, store.ByService, spec.Name) {
			service.Current = max(service.Current, revision.Number+1)
		}
		service.Replicas = 1
		if spec.Replicas != nil {
			service.Replicas = *spec.Replicas
		}
		wishes = append(wishes, Wish{service, &spec})
	}
	if err := ledger.Fit(wishes); err != nil {
		return err
	}
	endpoints, err := ledger.Endpoints(wishes)
	if err != nil {
		return err
	}
	for i, wish := range wishes {
		id := wish.Service.ID
		w.put(wish.Service, &api.Revision{Meta: api.Meta{ID: api.RevisionID(id, wish.Service.Current)}, Service: id, Number: wish.Service.Current, Spec: *wish.Spec})
		if endpoints[i] == nil {
			w.remove(api.KindEndpoint, id)
			continue
		}
		w.put(endpoints[i])
	}
	w.write(ledger.Blocks())
	return nil
}

func (w *world) endpoint(service string) *api.Endpoint {
	return store.Get[api.Endpoint](w.snapshot, service)
}

func (w *world) removeService(name string) {
	w.remove(api.KindService, name)
	w.remove(api.KindEndpoint, name)
}

func on(name string, networks ...string) api.ServiceSpec {
	spec := api.ServiceSpec{Name: name, Mode: api.ModeReplicated, Endpoint: api.EndpointVIP}
	for _, network := range networks {
		spec.Networks = append(spec.Networks, api.NetworkAttachment{Network: network})
	}
	return spec
}

func publish(spec api.ServiceSpec, ports ...string) api.ServiceSpec {
	for _, text := range ports {
		port := api.Port{Protocol: "tcp"}
		_, err := fmt.Sscanf(text, "%d:%d/%s", &port.Published, &port.Target, &port.Mode)
		if err != nil {
			panic(err)
		}
		spec.Ports = append(spec.Ports, port)
	}
	return spec
}

func TestNetworksGetSubnetsOfThePools(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, "10.0.0.0/20", w.mustNetwork("a", "").Subnet.String())
	require.Equal(t, "10.0.16.0/20", w.mustNetwork("b", "").Subnet.String())
	require.Equal(t, "10.0.32.0/28", w.mustNetwork("c", "10.0.32.0/28").Subnet.String())
	require.Equal(t, "10.0.48.0/20", w.mustNetwork("d", "").Subnet.String(), "not what overlaps c")
	w.remove(api.KindNetwork, "b")
	require.Equal(t, "10.0.16.0/20", w.mustNetwork("e", "").Subnet.String())

	_, err := w.network("f", "10.0.0.0/16")
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "subnet 10.0.0.0/16 overlaps network a (10.0.0.0/20)")
}

func TestSubnetsKeepClearOfWhatNodesReachThemselves(t *testing.T) {
	w := newWorld(t,
		&api.Node{Meta: api.Meta{ID: "n1"}, Name: "one"},
		&api.NodeStatus{Meta: api.Meta{ID: "n1"}, Info: api.NodeInfo{
			Address: netip.MustParseAddr("10.0.16.5"),
			Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/22"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("fd00::/8")},
		}})
	require.Equal(t, "10.1.0.0/20", w.mustNetwork("a", "").Subnet.String(), "nor close to it")
	_, err := w.network("b", "10.0.2.0/24")
	require.ErrorContains(t, err, "overlaps what node one reaches without orc (10.0.0.0/22)")
	w.mustNetwork("c", "10.0.4.0/24")

	w.put(&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{AddressPools: []string{"10.0.0.0/16"}}})
	require.Equal(t, "10.0.32.0/20", w.mustNetwork("d", "").Subnet.String(), "unless there is no other room")
}

func TestAPoolThatIsUsedUpIsSaid(t *testing.T) {
	w := newWorld(t)
	w.put(&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{AddressPools: []string{"10.9.0.0/24", "10.8.0.0/26"}, SubnetBits: 26}})
	for i := range 4 {
		w.mustNetwork(fmt.Sprint(i), "")
	}
	require.Equal(t, "10.8.0.0/26", w.mustNetwork("last", "").Subnet.String(), "from the second pool")
	_, err := w.network("more", "")
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "address pool 10.9.0.0/24, 10.8.0.0/26 has no free subnet of length /26 left")
}

func TestARemovedNetworkKeepsItsAddressesWhileTasksHaveThem(t *testing.T) {
	w := newWorld(t)
	w.mustNetwork("a", "10.0.0.0/24")
	require.NoError(t, w.services(on("web", "a")))
	w.put(&api.Block{Meta: api.Meta{ID: "a.n1"}, Network: "a", Node: "n1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.32/28")}})
	w.remove(api.KindNetwork, "a")
	_, err := w.network("b", "10.0.0.0/24")
	require.ErrorContains(t, err, "a network that was removed a moment ago")
}

func TestVirtualAddressesStayAndRotate(t *testing.T) {
	w := newWorld(t)
	w.mustNetwork("a", "10.1.0.0/24")
	w.mustNetwork("b", "10.2.0.0/24")
	require.NoError(t, w.services(on("web", "a")))
	first := w.endpoint("web").Virtual["a"]
	require.True(t, api.Assignable(netip.MustParsePrefix("10.1.0.0/24"), first))

	require.NoError(t, w.services(on("web", "a", "b")))
	require.Equal(t, first, w.endpoint("web").Virtual["a"], "it stays over an update")
	require.Contains(t, w.endpoint("web").Virtual, "b")
	require.NoError(t, w.services(on("web", "b")))
	require.NotContains(t, w.endpoint("web").Virtual, "a")

	require.NoError(t, w.services(on("db", "a")))
	second := w.endpoint("db").Virtual["a"]
	require.NotEqual(t, first, second, "the one that was given up is not given again at once")
	seen := map[netip.Addr]bool{first: true, second: true}
	for range 2 { // the rest of the first prefix
		w.removeService("db")
		require.NoError(t, w.services(on("db", "a")))
		seen[w.endpoint("db").Virtual["a"]] = true
	}
	require.Len(t, seen, 3, "10.1.0.0/30 without the network's own address, round and round")

	dnsrr := on("names", "a")
	dnsrr.Endpoint = api.EndpointDNSRR
	require.NoError(t, w.services(dnsrr, on("alone")))
	require.Nil(t, w.endpoint("names"))
	require.Nil(t, w.endpoint("alone"))
}

func TestANetworkThatIsFullRefusesServices(t *testing.T) {
	w := newWorld(t)
	w.mustNetwork("a", "10.1.0.0/29")
	for i := range 3 {
		require.NoError(t, w.services(on(fmt.Sprint("s", i), "a")), "one for the service, one for its task")
	}
	err := w.services(on("more", "a"))
	require.Equal(t, api.CodeConflict, api.CodeOf(err))
	require.ErrorContains(t, err, "network a has 6 addresses (10.1.0.0/29), and the services on it need 8")
	three := 3
	large := on("s0", "a")
	large.Replicas = &three
	require.ErrorContains(t, w.services(large), "service s0: network a has 6 addresses")
	none := 0
	for i := range 6 {
		small := on(fmt.Sprint("s", i), "a")
		small.Replicas = &none
		require.NoError(t, w.services(small))
	}
	require.ErrorContains(t, w.services(on("more", "a")), "need 8 with this one")
}

func TestAutomaticPortsStayAndRotate(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.services(publish(on("web"), "0:80/ingress", "0:443/ingress", "8080:8080/ingress", "0:9000/host")))
	ports := w.endpoint("web").Ports
	require.Equal(t, []uint16{30000, 30001, 8080, 30002}, numbers(ports))
	require.NoError(t, w.services(publish(on("web"), "0:443/ingress", "0:80/ingress", "0:9000/host")))
	require.Equal(t, []uint16{30001, 30000, 30002}, numbers(w.endpoint("web").Ports), "each port keeps its number")
	w.removeService("web")
	require.NoError(t, w.services(publish(on("db"), "0:80/ingress")))
	require.Equal(t, []uint16{30003}, numbers(w.endpoint("db").Ports), "not one that was given up a moment ago")
}

func numbers(ports []api.Port) []uint16 {
	var all []uint16
	for _, port := range ports {
		all = append(all, port.Published)
	}
	return all
}

func TestWhatAnUpdateMayGoBackToIsKeptForIt(t *testing.T) {
	w := newWorld(t)
	moving := publish(on("web"), "8081:80/ingress")
	moving.Update.FailureAction = api.FailureRollback
	require.NoError(t, w.services(publish(on("web"), "8080:80/ingress")))
	require.NoError(t, w.services(moving))
	rollout := &api.Rollout{Meta: api.Meta{ID: "web"}, From: 1, To: 2, State: api.RolloutUpdating}
	w.put(rollout)
	require.ErrorContains(t, w.services(publish(on("other"), "8080:80/ingress")),
		"service other: port 8080/tcp is what service web goes back to if its update fails")
	require.NoError(t, w.services(publish(moving, "8080:80/ingress")), "to the service itself it is free")
	require.NoError(t, w.services(moving))

	paused := *rollout
	paused.To, paused.State = 4, api.RolloutPaused
	w.put(&paused)
	require.NoError(t, w.services(publish(on("other"), "8080:80/ingress")), "nothing goes back by itself")
	again := paused
	again.State = api.RolloutUpdating
	w.put(&again)
	require.NoError(t, w.services(publish(on("other"), "8080:81/ingress")), "who has it keeps it")
}

func TestPortsClash(t *testing.T) {
	w := newWorld(t,
		&api.Node{Meta: api.Meta{ID: "m"}, Name: "m", API: "10.0.0.1:6720"},
		&api.Node{Meta: api.Meta{ID: "w"}, Name: "w"})
	require.NoError(t, w.services(publish(on("web"), "8080:80/ingress"), publish(on("probe"), "9100:9100/host"), publish(on("auto"), "0:1/host")))
	auto := w.endpoint("auto").Ports[0].Published
	for name, test := range map[string]struct {
		spec api.ServiceSpec
		want string
	}{
		"ingress and ingress":       {publish(on("x"), "8080:1/ingress"), "port 8080/tcp is published by service web already"},
		"host where all are taken":  {publish(on("x"), "8080:1/host"), "service web already"},
		"all nodes where one has":   {publish(on("x"), "9100:1/ingress"), "service probe already"},
		"an automatic one":          {publish(on("x"), fmt.Sprintf("%d:1/host", auto)), "service auto already"},
		"the API's":                 {publish(on("x"), "6720:1/ingress"), "is that of the managers' API"},
		"the database's":            {publish(on("x"), "6721:1/host"), "is that of the managers' database"},
		"one port for two":          {publish(on("x"), "70:1/ingress", "70:2/ingress"), "is published for both 1 (ingress) and 2 (ingress)"},
		"one port in two modes":     {publish(on("x"), "70:1/ingress", "70:1/host"), "is published for both"},
		"an update to one":          {publish(on("probe"), "8080:9100/ingress"), "service probe: port 8080/tcp is published by service web already"},
		"host and host":             {publish(on("x"), "9100:1/host"), ""},
		"two addresses of one port": {publish(on("x"), "70:1/ingress", "70:1/ingress"), ""},
		"its own":                   {publish(on("web"), "8080:81/ingress"), ""},
	} {
		before := w.snapshot
		err := w.services(test.spec)
		w.snapshot = before
		if test.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, test.want, name)
	}
	data := publish(on("x"), "4789:1/ingress")
	data.Ports[0].Protocol = "udp"
	require.ErrorContains(t, w.services(data), "port 4789/udp is what nodes send each other")
	data.Ports[0].Protocol = "tcp"
	require.NoError(t, w.services(data))
}

func TestPortsMoveWithinADraft(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.services(publish(on("a"), "1000:80/ingress"), publish(on("b"), "2000:80/ingress")))
	require.NoError(t, w.services(publish(on("a"), "2000:80/ingress"), publish(on("b"), "1000:80/ingress")))
	require.Equal(t, []uint16{2000}, numbers(w.endpoint("a").Ports))
	require.NoError(t, w.services(publish(on("c"), "0:80/ingress"), publish(on("d"), "30000:80/ingress")))
	require.Equal(t, []uint16{30001}, numbers(w.endpoint("c").Ports), "what is asked for comes first")
}

func TestAllAutomaticPortsInUse(t *testing.T) {
	w := newWorld(t)
	full := on("full")
	for n := uint16(api.MinAutomaticPort); n <= api.MaxAutomaticPort; n++ {
		full.Ports = append(full.Ports, api.Port{Protocol: "tcp", Target: n, Published: n, Mode: "ingress"})
	}
	require.NoError(t, w.services(full))
	require.ErrorContains(t, w.services(publish(on("x"), "0:80/ingress")), "all of the automatic ports 30000 to 32767 are in use")
}

// TestWhoTakesWritesTheGuard: two drafts on one snapshot must not both be written.
func TestWhoTakesWritesTheGuard(t *testing.T) {
	w := newWorld(t)
	w.mustNetwork("a", "")
	require.NoError(t, w.services(on("there", "a")))
	ids := func(spec api.ServiceSpec) []string {
		ledger := Open(w.snapshot)
		_, err := ledger.Endpoints([]Wish{{&api.Service{Meta: api.Meta{ID: spec.Name}, Name: spec.Name}, &spec}})
		require.NoError(t, err)
		var found []string
		for _, change := range ledger.Blocks() {
			found = append(found, change.After.Header().ID)
		}
		return found
	}
	require.Equal(t, []string{"a."}, ids(on("new", "a")))
	require.Equal(t, []string{"a.", "ingress."}, ids(publish(on("new", "a"), "80:80/ingress")))
	require.Equal(t, []string{"ingress."}, ids(publish(on("new"), "0:80/host")))
	require.Empty(t, ids(on("there", "a")), "what it has is enough")
	require.Empty(t, ids(on("alone")))
}
