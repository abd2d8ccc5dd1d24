package node

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sceneAs reads "eth0=10.0.0.1 docker0=172.17.0.1 via=10.0.0.1".
func sceneAs(t *testing.T, text string) scene {
	t.Helper()
	var at scene
	for _, each := range strings.Fields(text) {
		link, address, _ := strings.Cut(each, "=")
		parsed, err := netip.ParseAddr(address)
		require.NoError(t, err)
		if link == "via" {
			at.route = parsed
			continue
		}
		at.places = append(at.places, place{address: parsed, link: link})
	}
	return at
}

func TestANodeFollowsItsHostsAddress(t *testing.T) {
	type at struct {
		second float64
		sees   string
		want   string // where it is afterwards
	}
	const there = "eth0=10.0.0.1 via=10.0.0.1"
	for name, story := range map[string][]at{
		"the address changes": {
			{0, there, "10.0.0.1"},
			{1, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{1.4, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{1.5, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
		},
		"it is only away for a moment": {
			{0, there, "10.0.0.1"},
			{1, "", "10.0.0.1"},
			{100, there, "10.0.0.1"},
			{101, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"}, // which begins anew
			{101.4, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
		},
		"a second address comes, and the route by it": {
			{0, there, "10.0.0.1"},
			{1, "eth0=10.0.0.1 eth0=10.0.0.2 via=10.0.0.2", "10.0.0.1"},
			{1000, "eth0=10.0.0.1 eth0=10.0.0.2 via=10.0.0.2", "10.0.0.1"},
		},
		"of two addresses the default route's is taken": {
			{0, there, "10.0.0.1"},
			{1, "eth0=10.0.0.7 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{2, "eth0=10.0.0.7 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
		},
		"an address of several hosts is on the link while its own is changed": {
			{0, "eth0=10.0.0.1 eth0=10.0.0.250 via=10.0.0.1", "10.0.0.1"},
			{1, "eth0=10.0.0.250", "10.0.0.1"},
			{4, "eth0=10.0.0.250", "10.0.0.1"},
			{5, "eth0=10.0.0.250 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{6, "eth0=10.0.0.250 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
		},
		"an address of several hosts stays, and the default route with it": {
			{0, "eth0=10.0.0.1 eth0=10.0.0.250 via=10.0.0.1", "10.0.0.1"},
			{1, "eth0=10.0.0.250 via=10.0.0.250", "10.0.0.1"},
			{10, "eth0=10.0.0.250 via=10.0.0.250", "10.0.0.1"},
			{11, "eth0=10.0.0.250 eth0=10.0.0.9 via=10.0.0.250", "10.0.0.1"},
			{16, "eth0=10.0.0.250 eth0=10.0.0.9 via=10.0.0.250", "10.0.0.9"},
		},
		"an address that was there before is all that is left": {
			{0, "eth0=10.0.0.1 eth0=10.0.0.2 via=10.0.0.1", "10.0.0.1"},
			{1, "eth0=10.0.0.2 via=10.0.0.2", "10.0.0.1"},
			{30, "eth0=10.0.0.2 via=10.0.0.2", "10.0.0.1"},
			{31, "eth0=10.0.0.2 via=10.0.0.2", "10.0.0.2"},
		},
		"a link without a default route": {
			{0, "eth0=10.0.0.1 docker0=172.17.0.1", "10.0.0.1"},
			{1, "docker0=172.17.0.1 eth0=10.0.0.9", "10.0.0.1"},
			{2, "docker0=172.17.0.1 eth0=10.0.0.9", "10.0.0.1"},
			{6, "docker0=172.17.0.1 eth0=10.0.0.9", "10.0.0.9"},
		},
		"what another link has is not its own": {
			{0, "eth0=10.0.0.1 docker0=172.17.0.1 via=10.0.0.1", "10.0.0.1"},
			{1, "docker0=172.17.0.1", "10.0.0.1"},
			{1000, "docker0=172.17.0.1", "10.0.0.1"},
		},
		"a VPN has the default route between two leases": {
			{0, "eth0=10.0.0.1 tun0=10.8.0.1 via=10.0.0.1", "10.0.0.1"},
			{1, "tun0=10.8.0.1 via=10.8.0.1", "10.0.0.1"},
			{20, "tun0=10.8.0.1 via=10.8.0.1", "10.0.0.1"},
			{21, "eth0=10.0.0.9 tun0=10.8.0.1 via=10.8.0.1", "10.0.0.1"},
			{26, "eth0=10.0.0.9 tun0=10.8.0.1 via=10.8.0.1", "10.0.0.9"},
		},
		"another link takes the host over": {
			{0, "eth0=10.0.0.1 via=10.0.0.1", "10.0.0.1"},
			{1, "wlan0=10.1.0.1 via=10.1.0.1", "10.0.0.1"},
			{30, "wlan0=10.1.0.1 via=10.1.0.1", "10.0.0.1"},
			{31, "wlan0=10.1.0.1 via=10.1.0.1", "10.0.0.1"},
			{32, "wlan0=10.1.0.1 via=10.1.0.1", "10.1.0.1"},
		},
		"no lease": {
			{0, there, "10.0.0.1"},
			{1, "eth0=169.254.7.7 via=169.254.7.7", "10.0.0.1"},
			{1000, "eth0=169.254.7.7 via=169.254.7.7", "10.0.0.1"},
			{1001, "eth0=169.254.7.7 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{1002, "eth0=169.254.7.7 eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
		},
		"the other family": {
			{0, there, "10.0.0.1"},
			{1, "eth0=2001:db8::1 via=2001:db8::1", "10.0.0.1"},
			{1000, "eth0=2001:db8::1 via=2001:db8::1", "10.0.0.1"},
		},
		"a host that had none when it began": {
			{0, "docker0=172.17.0.1", "127.0.0.1"},
			{1000, "docker0=172.17.0.1", "127.0.0.1"},
			{1001, "docker0=172.17.0.1 eth0=10.0.0.1 via=10.0.0.1", "127.0.0.1"},
			{1002, "docker0=172.17.0.1 eth0=10.0.0.1 via=10.0.0.1", "10.0.0.1"},
		},
		"one that comes and goes is followed more and more slowly": {
			{0, there, "10.0.0.1"},
			{1, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{1.5, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
			{2, there, "10.0.0.9"},
			{2.9, there, "10.0.0.9"},
			{3, there, "10.0.0.1"},
			{4, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{5.9, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.1"},
			{6, "eth0=10.0.0.9 via=10.0.0.9", "10.0.0.9"},
			{400, there, "10.0.0.9"}, // it was quiet meanwhile
			{400.5, there, "10.0.0.1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Unix(1e9, 0)
			home := &residence{address: netip.MustParseAddr(story[0].want)}
			for _, each := range story {
				before := home.address
				now := began.Add(time.Duration(each.second * float64(time.Second)))
				moved, again := home.look(sceneAs(t, each.sees), now)
				require.Equal(t, each.want, home.address.String(), "at %v s: %s", each.second, each.sees)
				require.Equal(t, before != home.address, moved)
				require.Equal(t, home.missing.IsZero(), again == 0, "who is away looks again by himself")
				require.False(t, again < 0)
			}
		})
	}
}

func TestALongAwaitedAddressIsLookedForInTime(t *testing.T) {
	home := &residence{address: netip.MustParseAddr("10.0.0.1")}
	now := time.Unix(1e9, 0)
	home.look(sceneAs(t, "eth0=10.0.0.1 via=10.0.0.1"), now)
	// Nothing but the time passes: the kernel tells nothing more.
	at := sceneAs(t, "wlan0=10.1.0.1 via=10.1.0.1")
	looks := 0
	for moved := false; !moved; looks++ {
		var again time.Duration
		moved, again = home.look(at, now)
		now = now.Add(again)
	}
	require.Less(t, looks, 5)
	require.WithinDuration(t, time.Unix(1e9, 0).Add(elsewhere), now, 2*time.Second)
}
