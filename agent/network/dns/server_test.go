package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// start serves on the loopback, for an asker there, and returns where.
func start(t testing.TB, s *Server) string {
	t.Helper()
	packets, stream := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, packets, stream) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return packets.LocalAddr().String()
}

// listen opens sockets of one port.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		if stream, err := net.Listen("tcp4", packets.LocalAddr().String()); err == nil {
			return packets, stream
		}
		packets.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// upstream is a name server that knows every name under example.com, and more
// addresses of big.example.com than fit a packet.
func upstream(t *testing.T) netip.AddrPort {
	packets, stream := listen(t)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := yes(query, "192.0.2.1")
		switch question := query.Question[0]; {
		case strings.EqualFold(question.Name, "missing.example.com."):
			reply = code(query, dns.RcodeNameError)
		case question.Qtype != dns.TypeA:
			reply.Answer = nil
		case question.Name == "big.example.com.":
			for i := range 100 {
				reply.Answer = append(reply.Answer, record("big.example.com. 60 IN A 192.0.2."+strconv.Itoa(i+2)))
			}
			if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
				reply.Truncate(512)
			}
		}
		if err := w.WriteMsg(reply); err != nil {
			t.Error(err)
		}
	})
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		servers.Go(func() {
			if err := server.ActivateAndServe(); err != nil {
				t.Error(err)
			}
		})
		<-started
		t.Cleanup(func() { require.NoError(t, server.Shutdown()) })
	}
	return endpoint(packets.LocalAddr())
}

var loopback = netip.MustParseAddr("127.0.0.1")

// loopbackTable is the example with an asker that tests can be.
func loopbackTable() Table {
	table := example
	table.Askers = map[netip.Addr]Asker{loopback: example.Askers[web]}
	return table
}

func resolver(server, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, asked, _ string) (net.Conn, error) {
		if network != "" {
			asked = network
		}
		return new(net.Dialer).DialContext(ctx, asked, server)
	}}
}

func TestAResolverFindsNamesHereAndOutside(t *testing.T) {
	outside := upstream(t)
	s := New(func() []netip.AddrPort { return []netip.AddrPort{outside} }, new(net.Dialer).DialContext, zap.NewNop())
	s.Update(loopbackTable())
	server := start(t, s)
	for _, network := range []string{"", "tcp"} {
		t.Run("over "+network, func(t *testing.T) {
			r := resolver(server, network)
			found, err := r.LookupHost(t.Context(), "db.shop.")
			require.NoError(t, err)
			require.Equal(t, []string{"10.0.2.2"}, found)

			found, err = r.LookupHost(t.Context(), "tasks.web.")
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"10.0.1.10", "10.0.1.11"}, found)

			found, err = r.LookupAddr(t.Context(), web.String())
			require.NoError(t, err)
			require.Equal(t, []string{"shop_web.1."}, found)

			found, err = r.LookupHost(t.Context(), "www.example.com.")
			require.NoError(t, err)
			require.Equal(t, []string{"192.0.2.1"}, found)

			found, err = r.LookupHost(t.Context(), "big.example.com.")
			require.NoError(t, err)
			require.Len(t, found, 101)

			for _, name := range []string{"vault.", "tasks.vault.", "missing.example.com."} {
				var missing *net.DNSError
				_, err = r.LookupHost(t.Context(), name)
				require.ErrorAs(t, err, &missing, name)
				require.True(t, missing.IsNotFound, "%s: %v", name, err)
			}
		})
	}
}

func TestACompletedNameIsOrcsIfItIsNobodyElses(t *testing.T) {
	outside := upstream(t)
	for _, c := range []struct {
		name string
		up   bool
		kind uint16
		want string
	}{
		{"missing.example.com", true, dns.TypeA, "10.0.1.4"},
		{"missing.example.com", true, dns.TypeAAAA, ""},
		{"MISSING.example.COM", true, dns.TypeA, "10.0.1.4"},
		{"web.example.com", true, dns.TypeA, "192.0.2.1"}, // a host there has the name
		{"web.example.com", false, dns.TypeA, "10.0.1.2"},
		{"tasks.web.example.com", false, dns.TypeA, "10.0.1.10 10.0.1.11"},
		{"vault.example.com", false, dns.TypeA, "SERVFAIL"},
		{"example.com", false, dns.TypeA, "SERVFAIL"},
	} {
		table := loopbackTable()
		asker := table.Askers[loopback]
		asker.Search = []string{"corp.test", "example.com"}
		table.Askers[loopback] = asker
		front := *example.Networks["n1"]
		front.Names = front.Names.With(map[string][]netip.Addr{"missing": addresses("10.0.1.4")})
		table.Networks = map[string]*Network{"n1": &front}
		s := New(func() []netip.AddrPort {
			if c.up {
				return []netip.AddrPort{outside}
			}
			return nil
		}, new(net.Dialer).DialContext, zap.NewNop())
		s.Update(table)
		packet, err := question(c.name, c.kind).Pack()
		require.NoError(t, err)
		_, later := s.begin(packet, loopback, false)
		require.NotNil(t, later)
		reply := new(dns.Msg)
		require.NoError(t, reply.Unpack(s.finish(t.Context(), later)))
		require.Equal(t, c.want, text(reply), "%+v", c)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	server := start(t, newServer(example))
	reply, _, err := new(dns.Client).ExchangeContext(t.Context(), question("db", dns.TypeA), server)
	require.NoError(t, err)
	require.Equal(t, dns.RcodeRefused, reply.Rcode)
}

func TestWithoutAServerToAskNamesOutsideFail(t *testing.T) {
	server := start(t, newServer(loopbackTable()))
	reply, _, err := new(dns.Client).ExchangeContext(t.Context(), question("www.example.com", dns.TypeA), server)
	require.NoError(t, err)
	require.Equal(t, dns.RcodeServerFailure, reply.Rcode)
}

func TestOneConnectionCarriesManyQuestions(t *testing.T) {
	server := start(t, newServer(loopbackTable()))
	conn, err := net.Dial("tcp", server)
	require.NoError(t, err)
	defer conn.Close()
	query, err := question("db", dns.TypeA).Pack()
	require.NoError(t, err)
	for range 3 { // all at once
		require.NoError(t, writeFrame(conn, query))
	}
	for range 3 {
		packet, err := readFrame(conn, dns.MaxMsgSize)
		require.NoError(t, err)
		reply := new(dns.Msg)
		require.NoError(t, reply.Unpack(packet))
		require.Equal(t, "10.0.2.2", text(reply))
	}
	_, err = conn.Write([]byte{0xff, 0xff, 0, 0}) // far longer than a query
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = readFrame(conn, dns.MaxMsgSize)
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnAskerMayHoldOnlySoManyConnections(t *testing.T) {
	server := start(t, newServer(loopbackTable()))
	query, err := question("db", dns.TypeA).Pack()
	require.NoError(t, err)
	served := func() (net.Conn, bool) {
		conn, err := net.Dial("tcp", server)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		if writeFrame(conn, query) != nil {
			return conn, false
		}
		_, err = readFrame(conn, dns.MaxMsgSize)
		return conn, err == nil
	}
	first, is := served()
	require.True(t, is)
	for range maxStreamsEach - 1 {
		_, is := served()
		require.True(t, is)
	}
	_, is = served()
	require.False(t, is)
	first.Close()
	require.Eventually(t, func() bool { _, is := served(); return is }, 5*time.Second, 10*time.Millisecond)
}

func TestTheServerEndsWithOpenConnectionsAndQuestions(t *testing.T) {
	asked := make(chan struct{}, 2)
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := New(func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(one)} }, silent, zap.NewNop())
	s.Update(loopbackTable())
	packets, stream := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, packets, stream) }()
	for i, network := range []string{"udp", "tcp"} {
		conn, err := dns.Dial(network, packets.LocalAddr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.WriteMsg(question(fmt.Sprintf("%d.example.com", i), dns.TypeA)))
		<-asked
	}
	begun := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.Less(t, time.Since(begun), patience)
}

func TestALostSocketIsAnError(t *testing.T) {
	packets, stream := listen(t)
	done := make(chan error, 1)
	go func() { done <- newServer(example).Serve(t.Context(), packets, stream) }()
	require.NoError(t, packets.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	_, err := stream.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}
