package member_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// intruder is a host with many addresses that reaches the managers' port.
type intruder struct {
	*testing.T
	target string
	open   []net.Conn
}

// dial returns nil where it is refused, which is what is hoped for.
func (i *intruder) dial(from string) net.Conn {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	connection, err := dialer.DialContext(i.Context(), "tcp", i.target)
	if err != nil {
		return nil
	}
	i.open = append(i.open, connection)
	return connection
}

func (i *intruder) leave() {
	for _, each := range i.open {
		each.Close()
	}
	i.open = nil
}

// shake tries a handshake with a certificate, and says whether anything was answered.
func (i *intruder) shake(certificates ...tls.Certificate) bool {
	connection := i.dial("127.0.1.1")
	if connection == nil {
		return false
	}
	secure := tls.Client(connection, &tls.Config{InsecureSkipVerify: true, Certificates: certificates})
	if _, err := secure.Write([]byte("GET /members HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		return false
	}
	_, err := secure.Read(make([]byte, 1))
	return err == nil
}

func TestStrangersAreNoBurdenToTheDatabase(t *testing.T) {
	config := membertest.Config(t)
	config.Limits = limit.Default()
	config.Limits.Strangers, config.Limits.AllStrangers = 32, 64
	first := membertest.Start(t, config)
	second, other := membertest.Join(t, first, config, "node2")
	neighbour := newNeighbour(t, config)
	// The learner takes part in all that is written.
	requireWritten := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := first.Client().Put(ctx, "key", "value")
		require.NoError(t, err)
		got, err := second.Client().Get(ctx, "key")
		require.NoError(t, err)
		require.NotEmpty(t, got.Kvs)
	}
	requireWritten()

	for _, each := range []member.Config{config, other} {
		i := &intruder{T: t, target: each.Listen}
		t.Cleanup(i.leave)
		for name, attack := range map[string]func(){
			"half-open connections": func() {
				for n := range 10 * config.Limits.AllStrangers {
					i.dial(fmt.Sprintf("127.0.1.%d", 1+n%8))
				}
			},
			"handshakes that are none": func() {
				for range 500 {
					if connection := i.dial("127.0.1.1"); connection != nil {
						_, _ = connection.Write([]byte("\x16\x03\x01\xff\xff garbage"))
					}
				}
			},
			"no certificate": func() { require.False(t, i.shake()) },
			"another's": func() {
				strange := membertest.Certificates(t)
				pair, err := tls.LoadX509KeyPair(strange.CertFile, strange.KeyFile)
				require.NoError(t, err)
				require.False(t, i.shake(pair))
			},
		} {
			t.Run(name, func(t *testing.T) {
				attack()
				require.Equal(t, http.StatusOK, neighbour.ask(http.MethodGet), "a manager comes in")
				requireWritten()
				i.leave()
			})
		}
	}
}

// TestACertificateWithoutItsKeyLeavesNothing shows a manager's certificate, which is
// no secret, and then cannot sign.
func TestACertificateWithoutItsKeyLeavesNothing(t *testing.T) {
	config := membertest.Config(t)
	m := membertest.Start(t, config)
	pair, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
	require.NoError(t, err)
	i := &intruder{T: t, target: config.Listen}
	require.True(t, i.shake(pair))
	i.leave()
	pair.PrivateKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for range 10 {
		require.False(t, i.shake(pair))
	}
	i.leave()
	require.Eventually(t, func() bool { return m.Connections() == 0 }, time.Minute, time.Millisecond)
}

func TestOneManagerHasSoManyConnectionsToTheDatabase(t *testing.T) {
	config := membertest.Config(t)
	config.Limits = limit.Default()
	config.Limits.Connections = 4
	m := membertest.Start(t, config)
	pair, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
	require.NoError(t, err)
	i := &intruder{T: t, target: config.Listen}
	t.Cleanup(i.leave)
	for range config.Limits.Connections {
		require.True(t, i.shake(pair))
	}
	require.Eventually(t, func() bool { return !i.shake(pair) }, time.Minute, time.Millisecond)
	i.leave()
	require.Eventually(t, func() bool { return m.Connections() == 0 }, time.Minute, time.Millisecond)
	require.Equal(t, http.StatusOK, newNeighbour(t, config).ask(http.MethodGet))
}
