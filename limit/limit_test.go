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

func TestASourceIsWhatAHostIsGiven(t *testing.T) {
	for address, want := range map[string]string{
		"10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3": "10.1.2.3/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		require.Equal(t, want, Source(netip.MustParseAddr(address)).String())
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

func TestStrangersHaveTheirShareAndTheProvenNoneOfIt(t *testing.T) {
	limits := Default()
	limits.Strangers, limits.AllStrangers, limits.Connections, limits.HandshakesBurst = 2, 3, 2, 1000
	g := NewGate(limits)
	admit := func(from string) *connection { return g.admit(end{from: from}) }

	first, second := admit("10.0.0.1:1"), admit("10.0.0.1:2")
	require.NotNil(t, first)
	require.NotNil(t, second)
	require.Nil(t, admit("10.0.0.1:3"), "its share")
	other := admit("10.0.0.2:1")
	require.NotNil(t, other)
	require.Nil(t, admit("10.0.0.3:1"), "all")

	require.True(t, first.prove("worker/w1"))
	require.True(t, second.prove("worker/w1"))
	third := admit("10.0.0.1:3")
	require.NotNil(t, third, "those that are proven count no more")
	require.False(t, third.prove("worker/w1"), "but for their name")
	for _, conn := range []*connection{first, second, third, other, other} { // closed twice, counted once
		require.NoError(t, conn.Close())
	}
	require.Zero(t, g.strangers)
	for _, accounts := range g.sources.accounts {
		require.Zero(t, accounts.connections)
	}
	require.Zero(t, g.names.accounts["worker/w1"].connections)
}

func TestHandshakesHaveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := Default()
		limits.Handshakes, limits.HandshakesBurst = 2, 4
		g := NewGate(limits)
		admitted := func(from string) (n int) {
			for range 10 {
				if conn := g.admit(end{from: from}); conn != nil {
					n++
					conn.Close()
				}
			}
			return n
		}
		require.Equal(t, 4, admitted("10.0.0.1:1"))
		require.Equal(t, 4, admitted("10.0.0.2:1"), "each its own")
		time.Sleep(time.Second)
		require.Equal(t, 2, admitted("10.0.0.1:1"))
	})
}

func TestAccountsThatOweNothingAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Default())
		kept := g.admit(end{from: "192.0.2.1:1"})
		for i := range 2 * fewAccounts {
			g.admit(end{from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1).String()}).Close()
		}
		require.Len(t, g.sources.accounts, 2*fewAccounts+1, "they owe for a moment")
		time.Sleep(time.Minute)
		g.admit(end{from: "192.0.2.2:1"}).Close()
		require.Len(t, g.sources.accounts, 2*fewAccounts+2, "looking takes time: not before it is worth it")
		for i := range 2 * fewAccounts {
			g.admit(end{from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), 1).String()}).Close()
		}
		require.LessOrEqual(t, len(g.sources.accounts), 2*fewAccounts+2)
		require.Contains(t, g.sources.accounts, Source(netip.MustParseAddr("192.0.2.1")))
		require.NoError(t, kept.Close())
		require.Zero(t, g.strangers)
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
