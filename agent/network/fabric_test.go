package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/zap/zaptest"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// host is a node in a network namespace of its own, with its fabric.
type host struct {
	t      testing.TB
	number uint16
	space  netns.NsHandle
	dir    string
	run    string
	fabric *Fabric
	stop   func()
}

// twoHosts are connected by a cable: 192.0.2.1 and 192.0.2.2.
func twoHosts(t testing.TB) [2]*host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: network namespaces need root")
	}
	var hosts [2]*host
	for i := range hosts {
		run, err := os.MkdirTemp("/tmp", "orc-net-")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(run)) })
		hosts[i] = &host{t: t, number: uint16(i + 1), dir: t.TempDir(), run: filepath.Join(run, "net")}
		within(t, netns.None(), func() error {
			var err error
			hosts[i].space, err = netns.New()
			return err
		})
		t.Cleanup(func() { hosts[i].space.Close() })
	}
	within(t, hosts[0].space, func() error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = "eth0"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(hosts[1].space))})
	})
	for i, h := range hosts {
		within(t, h.space, func() error {
			for _, name := range []string{"lo", "eth0"} {
				link, err := netlink.LinkByName(name)
				if err != nil {
					return err
				}
				if err := netlink.LinkSetUp(link); err != nil {
					return err
				}
				if name == "eth0" {
					address, err := netlink.ParseAddr(fmt.Sprintf("192.0.2.%d/24", i+1))
					if err != nil {
						return err
					}
					if err := netlink.AddrAdd(link, address); err != nil {
						return err
					}
					_, all, _ := net.ParseCIDR("0.0.0.0/0")
					return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Gw: net.IPv4(192, 0, 2, byte(2-i))})
				}
			}
			return nil
		})
		h.start()
		t.Cleanup(func() {
			h.stop()
			h.start()
			h.fabric.Apply(wire.Down{Full: true}) // removed from the cluster
			for _, each := range h.attachments() {
				require.NoError(t, h.fabric.Detach(context.Background(), each))
			}
			require.True(t, h.fabric.left)
			h.stop()
			require.NoDirExists(t, h.run, "nothing stays")
		})
	}
	return hosts
}

func (h *host) attachments() []string {
	h.fabric.mu.Lock()
	defer h.fabric.mu.Unlock()
	var tasks []string
	for task := range h.fabric.alloc.attachments {
		tasks = append(tasks, task)
	}
	return tasks
}

// start opens the fabric and runs it, as the agent does.
func (h *host) start() {
	h.t.Helper()
	within(h.t, h.space, func() (err error) {
		h.fabric, err = New(Config{Dir: h.dir, RunDir: h.run, Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(h.number)})}, zaptest.NewLogger(h.t))
		return err
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.fabric.Run(ctx) }()
	h.stop = func() {
		cancel()
		require.ErrorIs(h.t, <-ended, context.Canceled)
		require.NoError(h.t, h.fabric.Close())
	}
}

// within runs do on a thread in a network namespace; with none, on a thread that it
// may take elsewhere.
func within(t testing.TB, space netns.NsHandle, do func() error) {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		if space.IsOpen() {
			if err := netns.Set(space); err != nil {
				result <- err
				return
			}
		}
		result <- do()
	}()
	require.NoError(t, <-result)
}

// inside runs do in a task's namespace.
func (h *host) inside(task string, do func() error) {
	h.t.Helper()
	space, err := netns.GetFromPath(filepath.Join(h.run, "tasks", task))
	require.NoError(h.t, err)
	defer space.Close()
	within(h.t, space, do)
}

var (
	frontNet = netip.MustParsePrefix("10.0.0.0/20")
	backNet  = netip.MustParsePrefix("10.0.16.0/20")
	ingress  = netip.MustParsePrefix("10.255.0.0/16")
	vip      = netip.MustParseAddr("10.0.15.1")
)

// told is what a manager tells a node of two of them that are on two networks.
func told(h *host) wire.Down {
	other := 3 - h.number
	block := func(prefix string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(prefix)} }
	blocks := make(map[string]wire.Block)
	for n := range uint16(2) {
		blocks[fmt.Sprint("front.", n)] = wire.Block{Network: "front", Node: n + 1, Prefixes: block(fmt.Sprintf("10.0.%d.0/28", n))}
		blocks[fmt.Sprint("back.", n)] = wire.Block{Network: "back", Node: n + 1, Prefixes: block(fmt.Sprintf("10.0.%d.0/28", 16+n))}
		blocks[fmt.Sprint("ingress.", n)] = wire.Block{Network: api.IngressID, Node: n + 1, Prefixes: block(fmt.Sprintf("10.255.%d.0/28", n))}
	}
	return wire.Down{
		Full: true, Revision: 1, Welcome: &wire.Welcome{Node: api.Node{Number: h.number}},
		Network: &wire.NetworkState{
			Networks: wire.Changes[wire.Network]{Set: map[string]wire.Network{
				"front": {Name: "front", Subnet: frontNet}, "back": {Name: "back", Subnet: backNet, Internal: true},
				api.IngressID: {Name: "ingress", Subnet: ingress},
			}},
			Peers:  wire.Changes[wire.Peer]{Set: map[string]wire.Peer{"other": {Number: other, Name: "other", Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(other)})}}},
			Blocks: wire.Changes[wire.Block]{Set: blocks},
		},
	}
}

func (h *host) attach(task string, networks ...string) map[string]netip.Addr {
	h.t.Helper()
	spec := &api.ServiceSpec{Name: "web", Ports: []api.Port{{Protocol: "tcp", Target: 80, Published: 8080, Mode: "ingress"}}}
	for _, network := range networks {
		spec.Networks = append(spec.Networks, api.NetworkAttachment{Network: network})
	}
	assignment := wire.Assignment{Task: api.Task{Meta: api.Meta{ID: task}, Service: "web", Slot: 1}, ServiceName: "web"}
	made, addresses, err := h.fabric.Attach(h.t.Context(), assignment, spec)
	require.NoError(h.t, err)
	require.Equal(h.t, filepath.Join(h.run, "tasks", task), made.Namespace)
	require.Contains(h.t, string(made.Resolv), "nameserver 169.254.1.1")
	require.Contains(h.t, string(made.Hosts), "web.1")
	return addresses
}

// serve answers every connection to port 80 in a task's namespace with its name and
// the client's address.
func (h *host) serve(task string) {
	h.t.Helper()
	var listener net.Listener
	h.inside(task, func() (err error) {
		listener, err = net.Listen("tcp4", ":80")
		return err
	})
	h.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			fmt.Fprintf(conn, "%s %s\n", task, from)
			conn.Close()
		}
	}()
}

func fetch(address string) (string, error) {
	conn, err := net.DialTimeout("tcp4", address, 3*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimSpace(line), err
}

func TestContainersOfTwoNodesTalkByNameAndAreReachedFromOutside(t *testing.T) {
	hosts := twoHosts(t)
	for _, h := range hosts {
		h.fabric.Apply(told(h))
	}
	one, two := hosts[0], hosts[1]
	backends := make(map[string]wire.Backend)
	for i, h := range hosts {
		task := fmt.Sprint("task", i)
		backends[task] = wire.Backend{Service: "web", Node: h.number, Slot: i + 1, Name: fmt.Sprint("web.", i+1), Addresses: h.attach(task, "front", "back")}
		h.serve(task)
	}
	service := wire.Service{
		Name: "web", DrainDelay: api.Duration(time.Second), Ports: []api.Port{{Protocol: "tcp", Target: 80, Published: 8080, Mode: "ingress"}},
		Networks: map[string]wire.ServiceNetwork{"front": {Virtual: vip, Aliases: []string{"www"}}, api.IngressID: {}},
	}
	change := wire.Down{Revision: 2, Network: &wire.NetworkState{
		Services: wire.Changes[wire.Service]{Set: map[string]wire.Service{"web": service}},
		Backends: wire.Changes[wire.Backend]{Set: backends},
	}}
	for _, h := range hosts {
		h.fabric.Apply(change)
	}
	one.attach("client", "front")
	one.attach("stranger", "back")

	t.Run("one address, both answer in turn, itself included", func(t *testing.T) {
		for _, task := range []string{"client", "task0"} {
			counts := make(map[string]int)
			one.inside(task, func() error {
				for range 20 {
					answer, err := fetch(vip.String() + ":80")
					if err != nil {
						return err
					}
					counts[strings.Fields(answer)[0]]++
				}
				return nil
			})
			require.Equal(t, map[string]int{"task0": 10, "task1": 10}, counts)
		}
	})
	t.Run("names", func(t *testing.T) {
		ask := func(task, name string) (found []string) {
			one.inside(task, func() error {
				answer, err := dns.Exchange(new(dns.Msg).SetQuestion(name+".", dns.TypeA), "169.254.1.1:53")
				if err != nil {
					return err
				}
				for _, record := range answer.Answer {
					found = append(found, record.(*dns.A).A.String())
				}
				return nil
			})
			return found
		}
		require.Equal(t, []string{vip.String()}, ask("client", "web"))
		require.Equal(t, []string{vip.String()}, ask("client", "www"))
		require.Len(t, ask("client", "tasks.web"), 2)
		require.Empty(t, ask("stranger", "web"))
	})
	t.Run("from outside, with the client's address, through either node", func(t *testing.T) {
		for _, h := range hosts {
			within(t, one.space, func() error {
				for range 4 {
					answer, err := fetch(fmt.Sprintf("192.0.2.%d:8080", h.number))
					if err != nil {
						return fmt.Errorf("through %d: %w", h.number, err)
					}
					if !strings.HasSuffix(answer, " 192.0.2.1") {
						return fmt.Errorf("through %d: %s", h.number, answer)
					}
				}
				_, err := fetch("127.0.0.1:8080")
				return err
			})
		}
	})
	t.Run("two networks do not see each other", func(t *testing.T) {
		one.inside("stranger", func() error {
			for _, address := range []netip.Addr{vip, backends["task1"].Addresses["front"], backends["task0"].Addresses["front"]} {
				if answer, err := fetch(address.String() + ":80"); err == nil {
					return fmt.Errorf("%s answers: %s", address, answer)
				}
			}
			_, err := fetch(backends["task1"].Addresses["back"].String() + ":80")
			return err
		})
	})
	t.Run("what is broken is mended, and an agent that restarts changes nothing", func(t *testing.T) {
		works := func() error {
			var err error
			one.inside("client", func() error {
				for range 4 {
					if _, e := fetch(vip.String() + ":80"); e != nil {
						err = e
					}
				}
				return nil
			})
			return err
		}
		router, err := netns.GetFromPath(filepath.Join(one.run, "router"))
		require.NoError(t, err)
		defer router.Close()
		for name, damage := range map[string]func() error{
			"the overlay's link": func() error {
				link, err := netlink.LinkByName("orc0")
				if err != nil {
					return err
				}
				return netlink.LinkDel(link)
			},
			"the routes": func() error {
				routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
				for _, route := range routes {
					if err == nil {
						err = netlink.RouteDel(&route)
					}
				}
				return err
			},
		} {
			within(t, router, damage)
			require.Eventually(t, func() bool { return works() == nil }, 20*time.Second, 50*time.Millisecond, name)
		}
		one.stop()
		require.NoError(t, works(), "without an agent")
		one.start()
		require.NoError(t, works(), "with the next one, before a manager has told it anything")
		require.Equal(t, backends["task0"].Addresses, one.attach("task0", "front", "back"))
	})
	t.Run("a leaving task gets no new connections", func(t *testing.T) {
		leaving := backends["task1"]
		leaving.Draining = true
		down := wire.Down{Revision: 3, Network: &wire.NetworkState{Backends: wire.Changes[wire.Backend]{Set: map[string]wire.Backend{"task1": leaving}}}}
		for _, h := range hosts {
			h.fabric.Apply(down)
		}
		withdrawn := make(chan error, 1)
		go func() {
			withdrawn <- two.fabric.Withdraw(t.Context(), wire.Assignment{Task: api.Task{Meta: api.Meta{ID: "task1", Version: 3}}})
		}()
		two.fabric.Apply(wire.Down{Settled: 3})
		require.NoError(t, <-withdrawn)
		one.inside("client", func() error {
			for range 6 {
				answer, err := fetch(vip.String() + ":80")
				if err != nil || !strings.HasPrefix(answer, "task0") {
					return fmt.Errorf("%s, %w", answer, err)
				}
			}
			return nil
		})
		require.NoError(t, two.fabric.Detach(t.Context(), "task1"))
		findings := one.fabric.Examine(t.Context())
		for _, finding := range findings {
			if finding.Subject == "overlay" {
				require.Equal(t, api.LevelOK, finding.Level, finding.Message)
			}
		}
	})
}
