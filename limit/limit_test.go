package limit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASourceIsWhatAHostIsGivenAndASiteItsOwner(t *testing.T) {
	for address, want := range map[string][2]string{
		"10.1.2.3": {"10.1.2.3/32", "10.1.2.3/32"}, "::ffff:10.1.2.3": {"10.1.2.3/32", "10.1.2.3/32"},
		"2001:db8:1:2:3::4": {"2001:db8:1:2::/64", "2001:db8:1::/48"}, "fe80::1%eth0": {"fe80::/64", "fe80::/48"},
	} {
		require.Equal(t, want[0], Source(netip.MustParseAddr(address)).String())
		require.Equal(t, want[1], Site(netip.MustParseAddr(address)).String())
	}
	require.Equal(t, netip.Prefix{}, Source(netip.Addr{}))
}

// end is a connection's other end, at an address.
type end struct {
	net.Conn
	from string
}

func (e end) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(e.from)) }
func (e end) Close() error         { return nil }

// arrivals are connections at a gate that has no listener.
type arrivals struct {
	t    *testing.T
	gate *Gate
}

// admit lets one in that has to make room for nobody, or for the one that has to go.
func (a arrivals) admit(from string, goes *connection) *connection {
	a.t.Helper()
	conn, oldest := a.gate.admit(end{from: from})
	require.NotNil(a.t, conn)
	require.Same(a.t, goes, oldest)
	if oldest != nil {
		_, err := oldest.prove("too late")
		require.ErrorIs(a.t, err, net.ErrClosed)
		require.NoError(a.t, oldest.Close())
	}
	return conn
}

// prove lets one in that has to make room for nobody, or for the one that has to go.
func (a arrivals) prove(conn *connection, name string, goes *connection) {
	a.t.Helper()
	oldest, err := conn.prove(name)
	require.NoError(a.t, err)
	require.Same(a.t, goes, oldest)
	if oldest != nil {
		require.NoError(a.t, oldest.Close())
	}
}

// requireEmpty says that nothing is counted any more.
func (a arrivals) requireEmpty() {
	a.t.Helper()
	require.Zero(a.t, a.gate.strangers.Len())
	for _, ledger := range []map[netip.Prefix]*account{a.gate.sources.accounts, a.gate.sites.accounts} {
		for _, each := range ledger {
			require.Zero(a.t, each.connections)
			require.Zero(a.t, each.proven)
		}
	}
	require.Zero(a.t, a.gate.proven.Len())
	for _, each := range a.gate.names.accounts {
		require.Zero(a.t, each.connections)
	}
}

func TestStrangersHaveTheirShareAndTheProvenNoneOfIt(t *testing.T) {
	limits := Default()
	limits.Strangers, limits.AllStrangers, limits.Connections = 2, 3, 2
	a := arrivals{t, NewGate(limits)}
	first := a.admit("10.0.0.1:1", nil)
	second := a.admit("10.0.0.1:2", nil)
	other := a.admit("10.0.0.2:1", nil)
	third := a.admit("10.0.0.1:3", first)
	fourth := a.admit("10.0.0.3:1", second)

	a.prove(third, "worker/w1", nil)
	a.prove(other, "worker/w1", nil)
	fifth, sixth := a.admit("10.0.0.1:4", nil), a.admit("10.0.0.1:5", nil)
	_, err := fifth.prove("worker/w1")
	require.ErrorIs(t, err, errTooMany, "those that are proven count for their name")
	for _, conn := range []*connection{first, second, third, other, fourth, fifth, sixth, sixth} { // closed twice, counted once
		require.NoError(t, conn.Close())
	}
	a.requireEmpty()
}

func TestWhoHasMostMakesRoom(t *testing.T) {
	limits := Default()
	a := arrivals{t, NewGate(limits)}
	node := a.admit("[2001:db8:2::1]:1", nil)
	// A site has many sources, none of which has more than its share.
	var theirs []*connection
	for i := range limits.AllStrangers - 1 {
		from := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, byte(i % 16), 15: 1})
		theirs = append(theirs, a.admit(netip.AddrPortFrom(from, 1).String(), nil))
	}
	back := a.admit("192.0.2.1:1", theirs[0])
	a.admit("[2001:db8:2::1]:2", theirs[1])
	a.admit("[2001:db8:1:99::1]:1", theirs[2])
	a.prove(node, "worker/w1", nil) // whatever its age
	a.prove(back, "worker/w2", nil)
	// Where everybody has one, the oldest goes.
	for each := a.gate.strangers.Front(); each != nil; each = a.gate.strangers.Front() {
		each.Value.(*connection).Close()
	}
	var all []*connection
	for i := range limits.AllStrangers {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		all = append(all, a.admit(netip.AddrPortFrom(from, 1).String(), nil))
	}
	last := a.admit("192.0.2.1:2", all[0])
	for _, conn := range append(all, node, back, last) {
		require.NoError(t, conn.Close())
	}
	a.requireEmpty()
}

func TestWhoHasMostCertificatesMakesRoomForOthers(t *testing.T) {
	limits := Default()
	limits.Connections, limits.AllConnections = 3, 9
	a := arrivals{t, NewGate(limits)}
	var all []*connection
	prove := func(from, name string, goes *connection) *connection {
		conn := a.admit(from, nil)
		a.prove(conn, name, goes)
		all = append(all, conn)
		return conn
	}
	node := prove("10.0.0.1:1", "worker/w1", nil)
	var theirs []*connection
	for _, name := range []string{"worker/a", "worker/b"} {
		for range 3 {
			theirs = append(theirs, prove("10.0.0.9:1", name, nil))
		}
	}
	neighbour := prove("10.0.0.9:1", "worker/w2", nil)
	prove("10.0.0.1:2", "worker/w1", nil)
	prove("10.0.0.2:1", "worker/w3", theirs[0])
	prove("10.0.0.9:1", "worker/a", theirs[3])  // its own, for a moment
	prove("10.0.0.9:1", "worker/w2", theirs[1]) // a neighbour is not meant
	prove("10.0.0.3:1", "worker/w4", theirs[2]) // four names have two, and theirs are of one address
	require.NotNil(t, node.place, "whatever its age")
	require.NotNil(t, neighbour.place)
	for _, conn := range all {
		require.NoError(t, conn.Close())
	}
	a.requireEmpty()
}

func TestHandshakesHaveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Default()
		limits.Handshakes, limits.HandshakesBurst = 2, 4
		g := NewGate(limits)
		admitted := func(from string) (n int) {
			for range 10 {
				if conn, _ := g.admit(end{from: from}); conn != nil {
					n++
					conn.Close()
				}
			}
			return n
		}
		require.Equal(t, 4, admitted("10.0.0.1:1"))
		require.Equal(t, 4, admitted("10.0.0.2:1"), "each its own")
		ofSite := 0
		for i := range 10 {
			ofSite += admitted(netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 7: byte(i)}), 1).String())
		}
		require.Equal(t, 16, ofSite, "a site four sources'")
		time.Sleep(time.Second)
		require.Equal(t, 2, admitted("10.0.0.1:1"))
	})
}

func TestAccountsThatOweNothingAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Default())
		admit := func(from string) *connection {
			conn, _ := g.admit(end{from: from})
			return conn
		}
		kept := admit("192.0.2.1:1")
		for i := range 2 * fewAccounts {
			admit(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1).String()).Close()
		}
		require.Len(t, g.sources.accounts, 2*fewAccounts+1, "they owe for a moment")
		time.Sleep(time.Minute)
		admit("192.0.2.2:1").Close()
		require.Len(t, g.sources.accounts, 2*fewAccounts+2, "looking takes time: not before it is worth it")
		for i := range 2 * fewAccounts {
			admit(netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), 1).String()).Close()
		}
		require.LessOrEqual(t, len(g.sources.accounts), 2*fewAccounts+2)
		require.Contains(t, g.sources.accounts, Source(netip.MustParseAddr("192.0.2.1")))
		require.NoError(t, kept.Close())
		require.Zero(t, g.strangers.Len())
	})
}

func TestRequestsOfStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusOK
		var last Verdict
		handler := NewGate(Default()).Strangers(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
			func(r *http.Request) bool { return r.Header.Get("Known") != "" },
			func(w http.ResponseWriter, why Verdict) {
				last = why
				w.WriteHeader(http.StatusServiceUnavailable)
			})
		ask := func(from, known string) int {
			request := httptest.NewRequest(http.MethodPost, "/", nil)
			request.RemoteAddr = from
			request.Header.Set("Known", known)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			return answer.Code
		}
		answered := func(from, known string) (n int) {
			for range 400 {
				if ask(from, known) == status {
					n++
				}
			}
			return n
		}
		require.Equal(t, 100, answered("10.0.0.1:1", ""))
		require.Equal(t, TooMany, last)
		require.Equal(t, 100, answered("10.0.0.2:1", ""), "each its own")
		time.Sleep(time.Minute)
		require.Equal(t, 400, answered("[fd00::1]:1", "")+answered("[fd00:0:0:1::1]:1", "")+answered("[fd00:0:0:2::1]:1", "")+answered("[fd00:0:0:3::1]:1", "")+answered("[fd00:0:0:4::1]:1", ""), "a site not all")
		require.Equal(t, 100, answered("10.0.0.3:1", ""))
		require.Equal(t, 400, answered("10.0.0.1:1", "yes"), "not those who are known")
		time.Sleep(time.Minute)
		require.Equal(t, 100, answered("10.0.0.1:1", ""))

		time.Sleep(time.Minute)
		status = http.StatusUnauthorized
		require.Equal(t, 20, answered("10.0.0.1:1", ""))
		require.Equal(t, TooManyFail, last)
		time.Sleep(2 * time.Second)
		require.Equal(t, 2, answered("10.0.0.1:1", ""))
	})
}

func TestOneSourceIsAnsweredSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		refused := make(chan Verdict, 100)
		handler := NewGate(Default()).Strangers(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }),
			func(*http.Request) bool { return false },
			func(_ http.ResponseWriter, why Verdict) { refused <- why })
		for range 20 {
			go handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
		synctest.Wait()
		require.Len(t, refused, 4)
		close(hold)
		synctest.Wait()
		go handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		synctest.Wait()
		require.Len(t, refused, 4)
	})
}

// accepting listens with the limits; everybody is a stranger.
func accepting(t *testing.T, limits Limits) *Listener {
	t.Helper()
	below, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := NewGate(limits).Listen(below, serverConfig(t), func(tls.ConnectionState) (string, bool) { return "", false }, zap.NewNop())
	t.Cleanup(func() { listener.Close() })
	return listener
}

func TestWhoDoesNotFinishTheHandshakeIsNotAccepted(t *testing.T) {
	limits := Default()
	limits.HandshakeTimeout = 10 * time.Millisecond
	listener := accepting(t, limits)
	silent, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer silent.Close()
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "it is closed")

	require.NoError(t, listener.Close())
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = net.Dial("tcp", listener.Addr().String())
	require.Error(t, err)
}

func TestAStrangersTimeIsShort(t *testing.T) {
	limits := Default()
	limits.HandshakeTimeout, limits.StrangerLife = time.Minute, 10*time.Millisecond
	listener := accepting(t, limits)
	dialed := make(chan error, 1)
	go func() {
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		dialed <- err
	}()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	require.True(t, accepted.(*tls.Conn).ConnectionState().HandshakeComplete)
	require.Error(t, <-dialed)
}

func serverConfig(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestWhatANameMayCauseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Default())
		require.True(t, g.Spend("worker/w1", 500))
		require.False(t, g.Spend("worker/w1", 1))
		require.True(t, g.Spend("worker/w2", 1))
		time.Sleep(time.Second)
		require.True(t, g.Spend("worker/w1", 50))
		require.False(t, g.Spend("worker/w1", 1))
	})
}
