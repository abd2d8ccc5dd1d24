package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestTheFirstAnswerCounts(t *testing.T) {
	silence := func(*dns.Msg) *dns.Msg { return nil }
	answer := func(address string) func(*dns.Msg) *dns.Msg {
		return func(query *dns.Msg) *dns.Msg { return yes(query, address) }
	}
	say := func(rcode int) func(*dns.Msg) *dns.Msg {
		return func(query *dns.Msg) *dns.Msg { return code(query, rcode) }
	}
	late := func(query *dns.Msg) *dns.Msg { time.Sleep(2500 * time.Millisecond); return yes(query, "192.0.2.77") }
	for name, c := range map[string]struct {
		one, two func(*dns.Msg) *dns.Msg
		want     string // "" means that it fails
		took     time.Duration
	}{
		"the first answers":           {answer("192.0.2.10"), answer("192.0.2.20"), "192.0.2.10", 0},
		"the first is silent":         {silence, answer("192.0.2.20"), "192.0.2.20", time.Second},
		"the first fails":             {say(dns.RcodeServerFailure), answer("192.0.2.20"), "192.0.2.20", 0},
		"the first refuses":           {say(dns.RcodeRefused), answer("192.0.2.20"), "192.0.2.20", 0},
		"the first knows of no such":  {say(dns.RcodeNameError), answer("192.0.2.20"), "NXDOMAIN", 0},
		"the first is late":           {late, silence, "192.0.2.77", 2500 * time.Millisecond},
		"both are silent":             {silence, silence, "", forwardTimeout},
		"both fail":                   {say(dns.RcodeServerFailure), say(dns.RcodeRefused), "", 0},
		"one is silent, one fails":    {silence, say(dns.RcodeServerFailure), "", forwardTimeout},
		"one fails, the other's late": {say(dns.RcodeServerFailure), late, "192.0.2.77", 2500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{script: func(_, server string, query *dns.Msg) *dns.Msg {
					if server == one {
						return c.one(query)
					}
					return c.two(query)
				}}
				defer w.running.Wait()
				begun := time.Now()
				reply, err := w.forwarder(one, two).forward(t.Context(), question("example.com", dns.TypeA), nil)
				require.Equal(t, c.took, time.Since(begun))
				if c.want == "" {
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, c.want, text(reply))
			})
		})
	}
}

func TestALostPacketIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Bool
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			if !lost.Swap(true) {
				return nil
			}
			return yes(query, "192.0.2.10")
		}}
		begun := time.Now()
		reply, err := w.forwarder(one).forward(t.Context(), question("example.com", dns.TypeA), nil)
		require.NoError(t, err)
		require.Equal(t, "192.0.2.10", text(reply))
		require.Equal(t, patience, time.Since(begun))
	})
}

func TestASilentServerIsAskedLastForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, server string, query *dns.Msg) *dns.Msg {
			if server == one {
				return nil
			}
			return yes(query, "192.0.2.20")
		}}
		f := w.forwarder(one, two)
		took := func(name string) time.Duration {
			begun := time.Now()
			_, err := f.forward(t.Context(), question(name, dns.TypeA), nil)
			require.NoError(t, err)
			return time.Since(begun)
		}
		require.Equal(t, time.Second, took("a.example.com"))
		require.Zero(t, took("b.example.com"))
		time.Sleep(shunned)
		require.Equal(t, time.Second, took("c.example.com"), "it gets another chance")
	})
}

func TestADeadServerIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Bool
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			if !alive.Load() {
				return nil
			}
			return yes(query, "192.0.2.20")
		}}
		f := w.forwarder(one)
		core, logs := observer.New(zap.InfoLevel)
		f.servers.log = zap.New(core)
		for _, name := range []string{"a.example.com", "b.example.com"} {
			_, err := f.forward(t.Context(), question(name, dns.TypeA), nil)
			require.Error(t, err)
		}
		alive.Store(true)
		for _, name := range []string{"a.example.com", "b.example.com"} {
			_, err := f.forward(t.Context(), question(name, dns.TypeA), nil)
			require.NoError(t, err)
		}
		require.Len(t, logs.All(), 2)
		require.Equal(t, "a name server does not answer", logs.All()[0].Message)
		require.Equal(t, "a name server answers again", logs.All()[1].Message)
	})
}

func TestAServersOwnAddressIsNotAsked(t *testing.T) {
	u := newUpstreams(zap.NewNop())
	u.exclude(netip.MustParseAddrPort("169.254.1.1:53"))
	list := func(servers ...string) (found []netip.AddrPort) {
		for _, server := range servers {
			found = append(found, netip.MustParseAddrPort(server))
		}
		return found
	}
	got := u.order(append(list("169.254.1.1:53", "169.254.1.1:54", "127.0.0.53:53", one, one), netip.AddrPort{}), time.Now())
	require.Equal(t, list("169.254.1.1:54", "127.0.0.53:53", one), got)

	u.exclude(netip.MustParseAddrPort("0.0.0.0:53"))
	require.Equal(t, list("127.0.0.1:54", one), u.order(list("127.0.0.53:53", "0.0.0.0:53", "127.0.0.1:54", one), time.Now()))

	f := (&world{}).forwarder("169.254.1.1:53")
	f.servers = u
	_, err := f.forward(t.Context(), question("example.com", dns.TypeA), nil)
	require.ErrorIs(t, err, errNoUpstream)
}

func TestAServiceMayHaveItsOwnServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, server string, query *dns.Msg) *dns.Msg {
			return yes(query, map[string]string{one: "192.0.2.10", two: "192.0.2.20"}[server])
		}}
		f := w.forwarder(one)
		for range 2 { // the second time from the cache
			reply, err := f.forward(t.Context(), question("example.com", dns.TypeA), nil)
			require.NoError(t, err)
			require.Equal(t, "192.0.2.10", text(reply))
			reply, err = f.forward(t.Context(), question("example.com", dns.TypeA), []netip.AddrPort{netip.MustParseAddrPort(two)})
			require.NoError(t, err)
			require.Equal(t, "192.0.2.20", text(reply))
		}
		require.Len(t, w.questions(), 2)
	})
}

func TestWhatIsCutIsAskedForOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(network, _ string, query *dns.Msg) *dns.Msg {
			reply := yes(query, map[string]string{"udp": "192.0.2.1", "tcp": "192.0.2.2"}[network])
			reply.Truncated = network == "udp"
			return reply
		}}
		f := w.forwarder(one)
		reply, err := f.forward(t.Context(), question("example.com", dns.TypeA), nil)
		require.NoError(t, err)
		require.Equal(t, "192.0.2.2", text(reply))
		require.False(t, reply.Truncated)
		require.Equal(t, []string{"udp " + one + " example.com.", "tcp " + one + " example.com."}, w.questions())
	})
}

func TestAPartIsBetterThanNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			reply := yes(query, "192.0.2.1")
			reply.Truncated = true
			return reply
		}}
		f := w.forwarder(one)
		f.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "tcp" {
				return nil, errors.New("no TCP here")
			}
			return w.dial(ctx, network, address)
		}
		for range 2 { // it is not kept
			reply, err := f.forward(t.Context(), question("example.com", dns.TypeA), nil)
			require.NoError(t, err)
			require.Equal(t, "192.0.2.1", text(reply))
			require.True(t, reply.Truncated)
		}
		require.Len(t, w.questions(), 2)
	})
}

func TestAnOldServerIsAskedWithoutEDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			if query.IsEdns0() != nil {
				return code(query, dns.RcodeFormatError)
			}
			return yes(query, "192.0.2.1")
		}}
		reply, err := w.forwarder(one).forward(t.Context(), question("example.com", dns.TypeA), nil)
		require.NoError(t, err)
		require.Equal(t, "192.0.2.1", text(reply))
	})
}

func TestAForgedReplyIsNotTaken(t *testing.T) {
	for name, forge := range map[string]func(*dns.Msg){
		"another ID":       func(m *dns.Msg) { m.Id++ },
		"another name":     func(m *dns.Msg) { m.Question[0].Name = "evil.example." },
		"another type":     func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
		"no question":      func(m *dns.Msg) { m.Question = nil },
		"a query":          func(m *dns.Msg) { m.Response = false },
		"another question": func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
	} {
		asked := question("example.com", dns.TypeA)
		reply := yes(asked, "192.0.2.66")
		packet, err := reply.Pack()
		require.NoError(t, err)
		_, err = accept(packet, asked)
		require.NoError(t, err)

		forge(reply)
		packet, err = reply.Pack()
		require.NoError(t, err)
		_, err = accept(packet, asked)
		require.ErrorIs(t, err, errForeign, name)
	}
}

func TestWishesArePassedOnAndNeighboursOptionsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			require.True(t, query.CheckingDisabled)
			require.True(t, query.RecursionDesired)
			require.Equal(t, "eXample.COM.", query.Question[0].Name)
			opt := query.IsEdns0()
			require.True(t, opt.Do())
			require.EqualValues(t, maxUDP, opt.UDPSize())
			require.Empty(t, opt.Option)
			reply := yes(query, "192.0.2.1").SetEdns0(4096, true)
			reply.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
			reply.Extra = append(reply.Extra, record("ns.example.com. 60 IN A 192.0.2.53"))
			reply.AuthenticatedData = true
			return reply
		}}
		query := question("eXample.COM", dns.TypeA).SetEdns0(1400, true)
		query.CheckingDisabled = true
		query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
		for range 2 { // the second time from the cache
			reply, err := w.forwarder(one).forward(t.Context(), query, nil)
			require.NoError(t, err)
			require.Equal(t, query.Id, reply.Id)
			require.Equal(t, "eXample.COM.", reply.Question[0].Name)
			require.True(t, reply.CheckingDisabled)
			require.True(t, reply.AuthenticatedData)
			require.Len(t, reply.Extra, 2)
			require.True(t, reply.IsEdns0().Do())
			require.EqualValues(t, maxUDP, reply.IsEdns0().UDPSize())
			require.Empty(t, reply.IsEdns0().Option)
		}
	})
}

func TestThoseWhoAskTheSameShareOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg {
			time.Sleep(500 * time.Millisecond)
			return yes(query, "192.0.2.1")
		}}
		f := w.forwarder(one)
		var askers sync.WaitGroup
		for _, name := range []string{"example.com", "EXAMPLE.com", "example.COM"} {
			for range 10 {
				query := question(name, dns.TypeA)
				askers.Go(func() {
					reply, err := f.forward(t.Context(), query, nil)
					if err != nil || reply.Id != query.Id || reply.Question[0] != query.Question[0] || text(reply) != "192.0.2.1" {
						t.Errorf("%v: %v", reply, err)
					}
					if _, err := pack(reply, dns.MinMsgSize); err != nil {
						t.Error(err)
					}
				})
			}
		}
		askers.Wait()
		require.Len(t, w.questions(), 1)
	})
}

func TestTheEndOfTheServerEndsAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(_, _ string, query *dns.Msg) *dns.Msg { return nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := w.forwarder(one).forward(ctx, question("example.com", dns.TypeA), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
