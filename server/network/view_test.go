package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

func TestANetworkIsShownWithWhatIsOnIt(t *testing.T) {
	l := newLeading(t, 2)
	l.mustNetwork("a", "10.1.0.0/28")
	none := 0
	web := on("web", "a")
	web.Replicas = &none
	web.Networks[0].Aliases = []string{"www"}
	require.NoError(t, l.services(web, publish(on("elsewhere"), "0:80/ingress")))
	for i, node := range []string{"n1", "n1", "n2"} {
		id := []string{"t1", "t2", "t3"}[i]
		l.task(id, "web", node)
		l.put(&api.TaskStatus{Meta: api.Meta{ID: id}, State: api.TaskRunning, Addresses: map[string]netip.Addr{"a": netip.AddrFrom4([4]byte{10, 1, 0, byte(4 + i)})}})
	}
	l.ends("t3")
	l.keep()
	view := View(l.snapshot, store.Get[api.Network](l.snapshot, "a"))
	require.Equal(t, 14, view.Usable)
	require.Equal(t, []api.NetworkService{{ID: "web", Name: "web", Virtual: l.endpoint("web").Virtual["a"], Aliases: []string{"www"}}}, view.Services)
	require.Len(t, view.Containers, 2)
	require.Equal(t, "10.1.0.4", view.Containers[0].Address.String())
	require.Equal(t, "n1", view.Blocks[0].NodeName)
	require.Equal(t, 2, view.Blocks[0].Used)
	given := len(view.Services)
	for _, block := range view.Blocks {
		given += block.Usable
	}
	require.Equal(t, view.Usable-given, view.Free)
	require.Empty(t, view.Warnings)

	ingress := View(l.snapshot, store.Get[api.Network](l.snapshot, api.IngressID))
	require.Equal(t, []uint16{30000}, numbers(ingress.Services[0].Ports))

	for i := range 20 {
		l.task("more"+string(rune('a'+i)), "web", "n2")
	}
	l.put(&api.NodeStatus{Meta: api.Meta{ID: "n1"}, State: api.NodeReady, Info: api.NodeInfo{Subnets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}})
	l.keep()
	view = View(l.snapshot, store.Get[api.Network](l.snapshot, "a"))
	require.Zero(t, view.Free)
	require.Equal(t, []string{
		"tasks on node n2 wait for an address: all of the subnet 10.1.0.0/28 is given",
		"node n1 reaches 10.1.0.0/16 without orc, which the subnet 10.1.0.0/28 overlaps: containers there cannot reach both",
	}, view.Warnings)
}
