package dns

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

func addresses(list ...string) []netip.Addr {
	found := make([]netip.Addr, 0, len(list))
	for _, text := range list {
		found = append(found, netip.MustParseAddr(text))
	}
	return found
}

// names makes a network's table from lines "name address...".
func names(lines ...string) Map[string, []netip.Addr] {
	set := map[string][]netip.Addr{}
	for _, line := range lines {
		fields := strings.Fields(line)
		set[fields[0]] = addresses(fields[1:]...)
	}
	return Map[string, []netip.Addr]{}.With(set)
}

var (
	web     = netip.MustParseAddr("10.0.1.10") // of the app shop, on front and back
	backup  = netip.MustParseAddr("10.0.2.20") // of no app, on back
	nobody  = netip.MustParseAddr("10.0.9.9")
	example = Table{
		Askers: map[netip.Addr]Asker{
			web:                              {Networks: []string{"n1", "n2", "gone"}, App: "shop"},
			netip.MustParseAddr("10.0.2.10"): {Networks: []string{"n1", "n2", "gone"}, App: "shop"},
			backup:                           {Networks: []string{"n2"}},
		},
		Networks: map[string]*Network{
			"n1": {
				Name: "front",
				Names: names("shop_web 10.0.1.2", "web 10.0.1.2", "tasks.shop_web 10.0.1.10 10.0.1.11", "shared 10.0.1.3",
					"db 10.0.1.66", "blog_api.v2 10.0.1.7", "six 10.0.1.8 fd00::8"),
				Reverse: Map[netip.Addr, string]{}.With(map[netip.Addr]string{web: "shop_web.1"}),
			},
			"n2": {
				Name: "shop_back",
				Names: names("shop_db 10.0.2.2", "tasks.shop_db 10.0.2.30", "other_db 10.0.2.3", "shared 10.0.2.4",
					"empty"),
				Reverse: Map[netip.Addr, string]{}.With(map[netip.Addr]string{backup: "backup.1"}),
			},
			"n3": {Name: "secret", Names: names("vault 10.0.3.2"),
				Reverse: Map[netip.Addr, string]{}.With(map[netip.Addr]string{netip.MustParseAddr("10.0.3.10"): "vault.1"})},
		},
		Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
	}
)

func TestNamesAreThoseOfTheAskersNetworks(t *testing.T) {
	for _, c := range []struct {
		asker netip.Addr
		name  string
		want  string // "-" means unknown
	}{
		{web, "web", "10.0.1.2"},
		{web, "db", "10.0.2.2"},           // the app's, though the first network has another
		{backup, "db", "-"},               // of no app, and not on front
		{backup, "shop_db", "10.0.2.2"},   // as it is in the cluster
		{backup, "db.shop", "10.0.2.2"},   // service.app
		{backup, "db.other", "10.0.2.3"},  //
		{web, "shared", "10.0.1.3"},       // the first network's
		{backup, "shared", "10.0.2.4"},    //
		{web, "shared.front", "10.0.1.3"}, // service.network
		{web, "shared.shop_back", "10.0.2.4"},
		{web, "db.shop_back", "10.0.2.2"},
		{web, "db.front", "10.0.1.66"},
		{web, "tasks.web", "10.0.1.10 10.0.1.11"},
		{web, "tasks.web.front", "10.0.1.10 10.0.1.11"},
		{web, "tasks.db", "10.0.2.30"},
		{backup, "tasks.db.shop", "10.0.2.30"},
		{web, "api.v2.blog", "10.0.1.7"}, // a service's name may have dots
		{web, "empty", ""},
		{web, "vault", "-"}, // on a network that it is not on
		{web, "vault.secret", "-"},
		{backup, "web", "-"},
		{web, "nothing", "-"},
		{web, "tasks.", "-"},
		{web, ".front", "-"},
		{web, "", "-"},
	} {
		got, known := example.find(example.Askers[c.asker], c.name)
		require.Equal(t, c.want != "-", known, "%s asked for %s", c.asker, c.name)
		if known {
			require.Equal(t, addresses(strings.Fields(c.want)...), got, "%s asked for %s", c.asker, c.name)
		}
	}
}

func TestReverseNamesAreAddresses(t *testing.T) {
	for _, text := range []string{"10.0.1.10", "255.1.0.9", "fd00::1:2", "2001:db8::"} {
		want := netip.MustParseAddr(text)
		name, err := dns.ReverseAddr(text)
		require.NoError(t, err)
		got, is := reversed(strings.TrimSuffix(name, "."))
		require.True(t, is, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"", "in-addr.arpa", ".in-addr.arpa", "1.0.10.in-addr.arpa", "256.1.1.1.in-addr.arpa", "1.1.1.1.1.in-addr.arpa",
		"fd00::1.in-addr.arpa", "ip6.arpa", "1.ip6.arpa", strings.Repeat("1.", 31) + "g.ip6.arpa", strings.Repeat(".", 63) + ".ip6.arpa",
		strings.Repeat("11.", 21) + ".ip6.arpa", strings.Repeat("1.", 31) + "%.ip6.arpa", "example.com"} {
		_, is := reversed(name)
		require.False(t, is, name)
	}
}
