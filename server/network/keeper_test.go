package network

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestTheIngressNetworkIsMadeOnceANodeIsSeen(t *testing.T) {
	l := newLeading(t, 0)
	require.Empty(t, l.keep())
	l.put(&api.Node{Meta: api.Meta{ID: "n1"}, Name: "n1"})
	l.put(&api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeReady, Info: api.NodeInfo{Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/12")}}})
	require.NotEmpty(t, l.keep())
	require.Equal(t, "10.16.0.0/16", store.Get[api.Network](l.snapshot, api.IngressID).Subnet.String())

	l = newLeading(t, 1)
	l.put(&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{AddressPools: []string{"10.9.0.0/20"}, SubnetBits: 24}})
	l.keep()
	require.Equal(t, "10.9.0.0/22", store.Get[api.Network](l.snapshot, api.IngressID).Subnet.String(), "a quarter of a small pool")
}

func TestAHostThatReachesAllOfThePool(t *testing.T) {
	l := newLeading(t, 1)
	taken := &api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeReady, Info: api.NodeInfo{Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	l.put(taken)
	l.keep()
	require.Equal(t, "172.16.0.0/16", store.Get[api.Network](l.snapshot, api.IngressID).Subnet.String())

	l = newLeading(t, 1)
	l.put(taken, &api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Settings: api.Settings{AddressPools: []string{"10.0.0.0/8"}}})
	require.Empty(t, l.keep())
	spec := publish(on("web"), "80:80/ingress")
	err := Open(l.snapshot).Ready([]Wish{{&api.Service{}, &spec}})
	require.ErrorContains(t, err, "part of it is what node n1 reaches without orc (10.0.0.0/8)")
	l.state("n1", api.NodeDown)
	l.put(&api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeReady})
	require.NotEmpty(t, l.keep(), "tried again when the node tells otherwise")
}

func TestNodesGetBlocksForTheirTasks(t *testing.T) {
	l := newLeading(t, 2)
	l.mustNetwork("a", "10.1.0.0/20")
	require.NoError(t, l.services(on("web", "a")))
	l.keep()
	require.Nil(t, l.block("a", "n1"), "no task, no block")
	l.task("t1", "web", "n1")
	require.Contains(t, l.keep(), "node n1 has 1 tasks on network a")
	require.Equal(t, 16, size(l.block("a", "n1").Prefixes[0]))
	require.Nil(t, l.block("a", "n2"))
	for i := range 100 {
		l.task(fmt.Sprint("more", i), "web", "n1")
	}
	l.keep()
	require.GreaterOrEqual(t, l.capacity("a", "n1"), 151, "one for each, and half as many to spare")
	require.LessOrEqual(t, len(l.block("a", "n1").Prefixes), 3)

	alone := on("alone")
	require.NoError(t, l.services(alone))
	l.task("out", "alone", "n2")
	l.keep()
	require.NotNil(t, l.block(api.IngressID, "n2"), "who names no network has the ingress network's way out")
}

func TestAddressesThatRestAreNotCountedOn(t *testing.T) {
	l := newLeading(t, 1)
	l.mustNetwork("a", "10.1.0.0/20")
	require.NoError(t, l.services(on("web", "a")))
	replace := func(round int) {
		for i := range 20 {
			if round > 0 {
				l.ends(fmt.Sprintf("t%d.%d", round-1, i))
			}
			l.task(fmt.Sprintf("t%d.%d", round, i), "web", "n1")
		}
		l.keep()
	}
	for round := range 3 {
		replace(round)
	}
	require.GreaterOrEqual(t, l.capacity("a", "n1"), 60, "three times twenty within the time that addresses rest")
	before := l.capacity("a", "n1")
	for round := 3; round < 10; round++ {
		l.now = l.now.Add(restFor + time.Second)
		replace(round)
	}
	require.Equal(t, before, l.capacity("a", "n1"), "and no more when there is time between")
}

func TestSmallSubnets(t *testing.T) {
	for _, test := range []struct {
		subnet          string
		nodes, services int
		tasks           int // on each node
	}{
		{"10.1.0.0/29", 5, 1, 1}, {"10.1.0.0/28", 3, 2, 4}, {"10.1.0.0/28", 12, 2, 1}, {"10.1.0.0/27", 2, 2, 14},
	} {
		l := newLeading(t, test.nodes)
		l.mustNetwork("a", test.subnet)
		for i := range test.services {
			service := on(fmt.Sprint("s", i), "a")
			none := 0
			service.Replicas = &none
			require.NoError(t, l.services(service))
		}
		for i := range test.tasks {
			for n := range test.nodes {
				l.task(fmt.Sprintf("t%d.%d", n, i), "s0", fmt.Sprint("n", n+1))
				l.keep()
			}
		}
		for n := range test.nodes {
			require.GreaterOrEqual(t, l.capacity("a", fmt.Sprint("n", n+1)), test.tasks, "%+v", test)
		}
		l.check()
		l.task("last", "s0", "n1")
		require.Contains(t, l.keep(), fmt.Sprintf("node n1 has %d tasks on network a, whose subnet %s has no address left for it", test.tasks+1, test.subnet))
		require.True(t, l.block("a", "n1").Lacks)
		l.check()
	}
}

func TestWhatIsFreedGoesToWhoLacks(t *testing.T) {
	l := newLeading(t, 2)
	l.mustNetwork("a", "10.1.0.0/29")
	none := 0
	service := on("web", "a")
	service.Replicas = &none
	require.NoError(t, l.services(service))
	for i := range 5 {
		l.task(fmt.Sprint("t", i), "web", "n1")
	}
	l.task("late", "web", "n2")
	l.keep()
	require.True(t, l.block("a", "n2").Lacks)
	for i := range 5 {
		l.ends(fmt.Sprint("t", i))
	}
	l.keep()
	require.True(t, l.block("a", "n2").Lacks, "n1 keeps its block for a while")
	l.now = l.now.Add(idleFor)
	l.keep()
	require.Nil(t, l.block("a", "n1"))
	require.False(t, l.block("a", "n2").Lacks)
	require.NotZero(t, l.capacity("a", "n2"))
}

func TestBlocksAreFreed(t *testing.T) {
	setUp := func() *leading {
		l := newLeading(t, 2)
		l.mustNetwork("a", "10.1.0.0/24")
		require.NoError(t, l.services(on("web", "a")))
		l.task("t1", "web", "n1")
		l.keep()
		require.NotNil(t, l.block("a", "n1"))
		return l
	}
	pass := func(l *leading, d time.Duration) {
		l.now = l.now.Add(d)
		l.keep()
	}
	t.Run("when they are idle for long", func(t *testing.T) {
		l := setUp()
		l.ends("t1")
		l.keep()
		require.Equal(t, l.now, l.block("a", "n1").Idle)
		require.Equal(t, l.now.Add(idleFor), l.keeper.Plan(l.now).Wake)
		pass(l, idleFor-time.Second)
		require.NotNil(t, l.block("a", "n1"))
		pass(l, time.Second)
		require.Nil(t, l.block("a", "n1"))
		require.True(t, l.keeper.Plan(l.now).Wake.IsZero())
	})
	t.Run("not when they are used again", func(t *testing.T) {
		l := setUp()
		before := l.block("a", "n1").Prefixes
		l.ends("t1")
		l.keep()
		l.task("t2", "web", "n1")
		pass(l, time.Second)
		require.True(t, l.block("a", "n1").Idle.IsZero())
		pass(l, time.Hour)
		require.Equal(t, before, l.block("a", "n1").Prefixes[:len(before)])
	})
	t.Run("not while the node is down", func(t *testing.T) {
		l := setUp()
		l.state("n1", api.NodeDown)
		l.put(&api.TaskStatus{Meta: api.Meta{ID: "t1"}, State: api.TaskLost})
		l.keep()
		pass(l, time.Hour)
		require.NotNil(t, l.block("a", "n1"), "it may still run what it ran")
		l.state("n1", api.NodeReady)
		l.keep()
		require.NotNil(t, l.block("a", "n1"), "it is only just back")
		pass(l, idleFor)
		require.Nil(t, l.block("a", "n1"))
	})
	t.Run("when the node is removed", func(t *testing.T) {
		l := setUp()
		l.remove(api.KindNode, "n1")
		l.remove(api.KindNodeStatus, "n1")
		l.keep()
		require.NotNil(t, l.block("a", "n1"), "its task is still there")
		l.remove(api.KindTask, "t1")
		l.keep()
		pass(l, goneFor)
		require.Nil(t, l.block("a", "n1"))
	})
	t.Run("when the network is removed", func(t *testing.T) {
		l := setUp()
		l.removeService("web")
		l.remove(api.KindNetwork, "a")
		l.keep()
		require.NotNil(t, l.block("a", "n1"), "a task is still leaving")
		require.NotNil(t, l.block("a", ""))
		l.ends("t1")
		l.keep()
		require.Nil(t, l.block("a", "n1"))
		require.Nil(t, l.block("a", ""))
		l.mustNetwork("b", "10.1.0.0/24")
	})
}

func TestARollbackByTheLeaderGetsItsEndpoint(t *testing.T) {
	l := newLeading(t, 1)
	l.mustNetwork("a", "")
	l.mustNetwork("b", "")
	require.NoError(t, l.services(publish(on("web", "a"), "8080:80/ingress")))
	require.NoError(t, l.services(on("web", "b")))
	require.NoError(t, l.services(publish(on("other"), "8080:80/ingress")))
	l.keep()
	back := *store.Get[api.Service](l.snapshot, "web")
	back.Current = 1
	l.put(&back)
	l.keep()
	require.Contains(t, l.endpoint("web").Virtual, "a")
	require.NotContains(t, l.endpoint("web").Virtual, "b")
	require.Empty(t, l.endpoint("web").Ports, "8080 is another's by now")
	require.Equal(t, []string{"port 8080/tcp is published by service other already; service web gets it once it is free"}, l.endpoint("web").Lacks)
	require.NoError(t, l.services(publish(on("other"), "8080:81/ingress")), "who has it keeps it")
	require.Empty(t, l.keep())
	l.removeService("other")
	require.Contains(t, l.keep(), "what it lacked is free")
	require.Equal(t, []uint16{8080}, numbers(l.endpoint("web").Ports))
	require.Empty(t, l.endpoint("web").Lacks)
}

func TestWhatIsFreeOfARollbacksPortsIsTaken(t *testing.T) {
	l := newLeading(t, 1)
	require.NoError(t, l.services(publish(on("web"), "8080:80/ingress", "0:81/ingress", "8082:82/ingress")))
	automatic := l.endpoint("web").Ports[1].Published
	require.NoError(t, l.services(publish(on("web"), "0:81/ingress")))
	require.NoError(t, l.services(publish(on("other"), "8080:80/ingress")))
	back := *store.Get[api.Service](l.snapshot, "web")
	back.Current = 1
	l.put(&back)
	l.keep()
	require.Equal(t, []uint16{automatic, 8082}, numbers(l.endpoint("web").Ports))
	require.Len(t, l.endpoint("web").Lacks, 1)
	require.ErrorContains(t, l.services(publish(on("third"), "8082:80/ingress")), "is published by service web already")
	require.NoError(t, l.services(publish(on("web"), "8083:80/ingress")), "an update decides anew")
	require.Empty(t, l.endpoint("web").Lacks)
}

func TestARollbackWithoutAnAddressLeftSaysSo(t *testing.T) {
	l := newLeading(t, 1)
	l.mustNetwork("a", "10.200.0.0/30") // two addresses
	l.mustNetwork("b", "")
	require.NoError(t, l.services(publish(on("web", "a", "b"), "8080:80/ingress")))
	require.NoError(t, l.services(publish(on("web", "b"), "8080:80/ingress")))
	at := l.endpoint("web").Virtual["b"]
	for _, name := range []string{"one", "two"} {
		idle := on(name, "a")
		idle.Replicas = new(int)
		require.NoError(t, l.services(idle))
	}
	back := *store.Get[api.Service](l.snapshot, "web")
	back.Current = 1
	l.put(&back)
	l.keep()
	require.Equal(t, map[string]netip.Addr{"b": at}, l.endpoint("web").Virtual)
	require.Len(t, l.endpoint("web").Lacks, 1)
	require.Contains(t, l.endpoint("web").Lacks[0], "network a")
	l.removeService("one")
	l.keep()
	require.Contains(t, l.endpoint("web").Virtual, "a")
	require.Equal(t, []uint16{8080}, numbers(l.endpoint("web").Ports))
	require.Empty(t, l.endpoint("web").Lacks)
}

func BenchmarkAFirstTaskOnEachOf5000Nodes(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := newLeading(b, 0)
		var objects []api.Object
		for i := range 5000 {
			id := fmt.Sprintf("n%04d", i)
			objects = append(objects, &api.Node{Meta: api.Meta{ID: id}, Name: id, Runs: true}, &api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeReady},
				&api.Task{Meta: api.Meta{ID: "t" + id}, Service: "web", Revision: 1, Node: id, Desired: api.DesiredRun})
		}
		require.NoError(b, l.services(on("web")))
		l.put(objects...)
		l.keeper, l.seen = NewKeeper(l.snapshot), l.snapshot
		b.StartTimer()
		l.keeper.Plan(l.now) // the ingress network
		l.keep()
	}
}
