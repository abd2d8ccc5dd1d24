package cli_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func front() api.NetworkView {
	view := api.NetworkView{
		Network: api.Network{Meta: api.Meta{ID: "netid1"}, Name: "front", Subnet: netip.MustParsePrefix("10.1.0.0/28"), Spec: api.NetworkSpec{Internal: true}},
		Usable:  14, Free: 3,
		Services:   []api.NetworkService{{ID: "s1", Name: "web", Virtual: netip.MustParseAddr("10.1.0.1"), Aliases: []string{"www"}}, {ID: "s2", Name: "names"}},
		Containers: []api.NetworkContainer{{Name: "web.1", Container: "0123456789abcdef", NodeName: "n1", Address: netip.MustParseAddr("10.1.0.5"), State: api.TaskRunning}},
		Blocks: []api.NetworkBlock{{NodeName: "n1", Usable: 5, Used: 1, Prefixes: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.8/31"), netip.MustParsePrefix("10.1.0.4/30"),
		}}},
		Warnings: []string{"tasks on node n1 wait for an address"},
	}
	return view
}

func TestNetworksAreShown(t *testing.T) {
	f := newFake(t)
	f.on("GET /v1/networks", []api.Network{front().Network, {Meta: api.Meta{ID: "ingress"}, Name: "ingress"}})
	f.on("GET /v1/networks/front", front())
	require.Equal(t, "NETWORK ID   NAME      SUBNET        INTERNAL\nnetid1       front     10.1.0.0/28   yes\ningress      ingress\n", f.ok("network", "ls"))
	require.Equal(t, "10.1.0.0/28 3\n", f.ok("network", "inspect", "front", "-f", "{{.Subnet}} {{.Free}}"))
	require.Equal(t, `ID:             netid1
Name:           front
Subnet:         10.1.0.0/28
Addresses:      14, 3 of them free
Internal:       yes: no way out of the cluster
Warning:        tasks on node n1 wait for an address

Services
NAME    ADDRESS    ALIASES   PORTS
web     10.1.0.1   www
names

Containers
NAME    CONTAINER      NODE   ADDRESS    STATE
web.1   0123456789ab   n1     10.1.0.5   Running

Nodes
NODE   USED   BLOCKS
n1     1/5    10.1.0.4/30, 10.1.0.8/31
`, f.ok("network", "inspect", "--pretty", "front"))
}

func TestWhatAnAttachableNetworkIsIsSaid(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/networks", front().Network)
	_, out, errors := f.orc("network", "create", "front")
	require.Equal(t, "netid1\n", out)
	require.Empty(t, errors)
	code, out, errors := f.orc("network", "create", "--attachable", "front")
	require.Zero(t, code)
	require.Equal(t, "netid1\n", out)
	require.Contains(t, errors, "changes nothing")
}

func TestNetworksArePruned(t *testing.T) {
	f := newFake(t)
	f.on("POST /v1/networks/prune", []api.Network{front().Network})
	require.Equal(t, "front\n", f.ok("network", "prune", "--dry-run"))
	require.Equal(t, "front\n", f.ok("network", "prune", "--force"))
	code, out, errors := f.orc("network", "prune")
	require.Equal(t, 2, code)
	require.Equal(t, "front\n", out, "what would go is shown before it is asked for")
	require.Contains(t, errors, "use --force")
}

func TestAServiceShowsItsPortsAndAddresses(t *testing.T) {
	f := newFake(t)
	view := api.ServiceView{Service: api.Service{Meta: api.Meta{ID: "svcid1"}, Name: "web"}}
	view.Spec.Ports = []api.Port{{Protocol: "tcp", Target: 80, Mode: "ingress"}}
	view.Ports = []api.Port{{Protocol: "tcp", Target: 80, Published: 30000, Mode: "ingress"}}
	view.Addresses = []api.ServiceAddress{{Network: "front", Address: netip.MustParseAddr("10.1.0.1")}}
	view.Warnings = []string{"port 80/tcp is published by service other already"}
	f.on("GET /v1/services", []api.ServiceView{view})
	f.on("GET /v1/services/web", view)
	require.Contains(t, f.ok("service", "ls"), "*:30000->80/tcp")
	pretty := f.ok("service", "inspect", "--pretty", "web")
	require.Contains(t, pretty, "Ports:          *:30000->80/tcp\n")
	require.Contains(t, pretty, "Warning:        port 80/tcp is published by service other already\n")
	require.Contains(t, pretty, "Address:        10.1.0.1 on front\n")
}
