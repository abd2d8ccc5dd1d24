package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

func TestOneCertificateHasSoManyConnections(t *testing.T) {
	c := newTarget(t)
	config := c.certificate("w1", ca.RoleWorker).Client()
	var open []net.Conn
	t.Cleanup(func() {
		for _, conn := range open {
			conn.Close()
		}
	})
	refused := 0
	for range limit.Default().Connections + 10 {
		conn, err := tls.DialWithDialer(dialer(agentAddress), "tcp", c.address, config)
		require.NoError(t, err)
		open = append(open, conn)
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			refused++
			continue
		}
		// The server's settings come first of all, or the connection's end.
		framer := http2.NewFramer(conn, conn)
		if err := framer.WriteSettings(); err != nil {
			refused++
		} else if _, err := framer.ReadFrame(); err != nil {
			refused++
		}
	}
	require.Equal(t, 10, refused)
	require.Equal(t, http.StatusOK, c.get(t, c.clientFrom(agentAddress, c.certificate("ann", ca.RoleClient).Client()), "/v1/cluster"), "others are not meant")
}

// TestWhoHasManyCertificatesKeepsNobodyOut opens more connections than all may have, by
// nodes that each keep to what one may.
func TestWhoHasManyCertificatesKeepsNobodyOut(t *testing.T) {
	c := &target{cluster: newCluster(t)}
	c.limits = limit.Default()
	c.limits.Connections, c.limits.AllConnections = 4, 16
	for _, id := range []string{"w1", "w2"} {
		c.put(&api.Node{Meta: api.Meta{ID: id}, Name: id, Role: api.RoleWorker, Runs: true})
	}
	c.address, c.dispatcher = c.serve("m2", filepath.Join(t.TempDir(), "orc.sock"))
	agent := c.connect("w1")
	agent.requireHeard(t)
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	h := &hostile{t: t, from: hostileAddress, address: c.address}
	t.Cleanup(h.end)
	var closed atomic.Int32
	for i := range 10 {
		config := c.node(fmt.Sprint("junk", i), api.RoleWorker).Client()
		for range c.limits.Connections {
			conn, err := tls.DialWithDialer(dialer(h.from), "tcp", c.address, config)
			require.NoError(t, err)
			h.hold(conn)
			reading.Go(func() {
				_, _ = io.Copy(io.Discard, conn) // until it has made room
				closed.Add(1)
			})
		}
	}
	most := int32(10*c.limits.Connections + 1 - c.limits.AllConnections)
	require.Eventually(t, func() bool { return closed.Load() >= most }, patience, time.Millisecond)
	require.Equal(t, most, closed.Load(), "no more than need be")
	c.connect("w2").requireHeard(t)
	agent.requireHeard(t)
}

func TestWhoWasRemovedIsNotHeardAgainOnTheSameConnection(t *testing.T) {
	c := newTarget(t)
	ask := func(client *http.Client) (status int, reused bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.address+"/v1/version", nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		return response.StatusCode, reused
	}
	for node, http2 := range map[string]bool{"w1": false, "w2": true} {
		client := c.clientFrom(agentAddress, c.certificate(node, ca.RoleWorker).Client())
		if !http2 {
			transport := client.Transport.(*http.Transport)
			transport.ForceAttemptHTTP2, transport.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
		}
		for _, again := range []bool{false, true} {
			status, reused := ask(client)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, again, reused)
		}
		tx := &store.Tx{}
		tx.Delete(store.Get[api.Node](c.store.Snapshot(), node))
		_, err := c.store.Commit(t.Context(), tx)
		require.NoError(t, err)
		status, reused := ask(client)
		require.Equal(t, http.StatusForbidden, status)
		require.True(t, reused)
		require.Eventually(t, func() bool { // HTTP/2 says so a moment after the answer
			status, reused := ask(client)
			return status == http.StatusForbidden && !reused
		}, patience, time.Millisecond)
	}
}
