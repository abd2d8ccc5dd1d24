package etc

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func addresses(list ...string) []netip.Addr {
	var found []netip.Addr
	for _, text := range list {
		found = append(found, netip.MustParseAddr(text))
	}
	return found
}

func TestResolvIsReadAsACLibraryDoes(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want Resolv
	}{
		"a usual one": {
			"# made by hand\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nsearch example.com sub.example.com\noptions ndots:2 edns0\n",
			Resolv{Servers: addresses("10.0.0.2", "fe80::1%eth0"), Search: []string{"example.com", "sub.example.com"}, Options: []string{"ndots:2", "edns0"}},
		},
		"what it does not know": {
			"nameserver here\nnameserver\nsortlist 10.0.0.0\n;nameserver 10.0.0.1\n# nameserver 10.0.0.1\n\n\t nameserver\t10.0.0.2 trailing",
			Resolv{Servers: addresses("10.0.0.2")},
		},
		"no more than three, each once": {
			"nameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4",
			Resolv{Servers: addresses("10.0.0.1", "10.0.0.2", "10.0.0.3")},
		},
		"the last list counts":    {"search a b\ndomain c d\n", Resolv{Search: []string{"c"}}},
		"options of several rows": {"options a b\noptions c\r\n", Resolv{Options: []string{"a", "b", "c"}}},
		"nothing":                 {"", Resolv{}},
		"a long line":             {"search " + strings.Repeat("a", 70000) + "\nnameserver 10.0.0.1", Resolv{Servers: addresses("10.0.0.1"), Search: []string{strings.Repeat("a", 70000)}}},
	} {
		require.Equal(t, c.want, ParseResolv([]byte(c.file)), name)
	}
}

func FuzzParseResolv(f *testing.F) {
	f.Add([]byte("nameserver 10.0.0.2\nsearch a b\noptions ndots:1 # c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first := ParseResolv(data)
		again := ParseResolv(first.File())
		require.Equal(t, first, again, "what is written is read as what it was")
	})
}

func TestContainersAskTheAgent(t *testing.T) {
	node := Resolv{Servers: addresses("192.0.2.1"), Search: []string{"example.com"}, Options: []string{"rotate"}}
	gateway := netip.MustParseAddr("169.254.1.1")
	for name, c := range map[string]struct {
		search, options []string
		want            string
	}{
		"by default":           {nil, nil, "nameserver 169.254.1.1\nsearch example.com\noptions ndots:0\n"},
		"with its own list":    {[]string{"a.test", "b.test"}, nil, "nameserver 169.254.1.1\nsearch a.test b.test\noptions ndots:0\n"},
		"with no list":         {[]string{"."}, nil, "nameserver 169.254.1.1\noptions ndots:0\n"},
		"with its own options": {nil, []string{"timeout:1"}, "nameserver 169.254.1.1\nsearch example.com\noptions timeout:1 ndots:0\n"},
		"with its own ndots":   {nil, []string{"ndots:5"}, "nameserver 169.254.1.1\nsearch example.com\noptions ndots:5\n"},
	} {
		require.Equal(t, c.want, string(node.ForContainer(gateway, c.search, c.options).File()), name)
	}
}

func TestHosts(t *testing.T) {
	gateway := netip.MustParseAddr("169.254.1.1")
	for name, c := range map[string]struct {
		hosts Hosts
		want  string // behind the lines of localhost
	}{
		"nothing": {Hosts{}, ""},
		"on two networks": {
			Hosts{Hostname: "web", Names: []string{"shop_web.1", "web"}, Addresses: addresses("10.0.1.3", "10.0.2.3")},
			"10.0.1.3\tweb shop_web.1\n10.0.2.3\tweb shop_web.1\n",
		},
		"with a domain":      {Hosts{Hostname: "web.example.com", Addresses: addresses("10.0.1.3")}, "10.0.1.3\tweb.example.com web\n"},
		"without an address": {Hosts{Hostname: "web"}, ""},
		"lines of its spec": {
			Hosts{Hostname: "web", Addresses: addresses("10.0.1.3"), Gateway: gateway, Extra: []string{"db:10.0.0.7", "six:fd00::1", "brackets=[fd00::2]", "node:host-gateway"}},
			"10.0.0.7\tdb\nfd00::1\tsix\nfd00::2\tbrackets\n169.254.1.1\tnode\n10.0.1.3\tweb\n",
		},
	} {
		file, err := c.hosts.File()
		require.NoError(t, err, name)
		require.Equal(t, localhost+c.want, string(file), name)
	}
	_, err := Hosts{Extra: []string{"node:host-gateway"}}.File()
	require.ErrorContains(t, err, "no way to its node")
	_, err = Hosts{Extra: []string{"db\t10.0.0.7"}}.File()
	require.ErrorContains(t, err, "want NAME:ADDRESS")
}

func TestTheNodesServersAreFollowed(t *testing.T) {
	path, systemd := filepath.Join(t.TempDir(), "resolv.conf"), filepath.Join(t.TempDir(), "resolv.conf")
	write := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	synctest.Test(t, func(t *testing.T) {
		n := NewNode(path, systemd, zap.NewNop())
		servers := func() (found []string) {
			time.Sleep(fresh)
			for _, server := range n.Servers() {
				found = append(found, server.String())
			}
			return found
		}
		require.Empty(t, servers(), "there is no file")

		write(path, "nameserver 192.0.2.1\nsearch a.test")
		require.Equal(t, []string{"192.0.2.1:53"}, servers())
		require.Equal(t, []string{"a.test"}, n.Resolv().Search)

		write(systemd, "nameserver 192.0.2.2\nsearch b.test")
		require.Equal(t, []string{"192.0.2.1:53"}, servers(), "systemd is not asked")

		write(path, "nameserver 127.0.0.53\nsearch a.test")
		require.Equal(t, []string{"127.0.0.53:53", "192.0.2.2:53"}, servers())
		write(systemd, "nameserver 192.0.2.3")
		require.Equal(t, []string{"127.0.0.53:53", "192.0.2.3:53"}, servers())
		require.Equal(t, []string{"a.test"}, n.Resolv().Search)

		require.NoError(t, os.Remove(path))
		require.Empty(t, servers())
	})
}
