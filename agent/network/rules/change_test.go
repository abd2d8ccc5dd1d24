package rules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
)

// No request fails and no connection breaks while backends come and go and tables
// are restored.
func TestTrafficGoesOnWhileRulesChange(t *testing.T) {
	l := newLab(t, 2)
	one, two := l.nodes[0], l.nodes[1]
	asker := one.run(9, false, 0)
	boxes := []*box{one.run(1, false, 0, 255), one.run(2, false, 0, 255), two.run(1, false, 0, 255)}
	virtual := netip.MustParseAddr("10.0.200.1")
	for _, b := range boxes {
		b.serve(b.name, ":80")
	}
	boxes[0].echo(":81")
	serve := func(some ...*box) {
		one.state.Services[virtual] = nil
		for _, b := range some {
			one.state.Services[virtual] = append(one.state.Services[virtual], b.addresses[0])
		}
		l.publish(8010, Published{Backends: backends(80, some...)})
	}
	serve(boxes[0])
	var held net.Conn
	inside(t, asker.namespace, func() (err error) {
		held, err = net.Dial("tcp4", at4(virtual, 81))
		return err
	})
	defer held.Close()

	ctx, stop := context.WithCancel(t.Context())
	results := make(chan error, 2)
	asked := make([]int, 2)
	for i, client := range []struct {
		place
		to string
	}{{asker.place, at4(virtual, 80)}, {l.client, at4(one.address(0), 8010)}} {
		go func() {
			results <- within(client.namespace, func() error {
				for ; ctx.Err() == nil; asked[i]++ {
					if _, _, err := askHere(net.Dialer{Timeout: patience}, "tcp", client.to); err != nil {
						return fmt.Errorf("request %d to %s: %w", asked[i], client.to, err)
					}
				}
				return nil
			})
		}()
	}
	for round := range 100 {
		serve(boxes[:1+round%3]...)
		if round%20 == 7 {
			conn := foreign(t, one.router.namespace)
			conn.AddChain(&nftables.Chain{Name: "guest", Table: one.table.router.table})
			require.NoError(t, conn.Flush())
			found, err := one.table.Restore()
			require.NoError(t, err)
			require.Len(t, found, 1)
		}
		_, err := io.WriteString(held, "x")
		require.NoError(t, err)
		require.NoError(t, held.SetReadDeadline(time.Now().Add(patience)))
		_, err = io.ReadFull(held, make([]byte, 1))
		require.NoError(t, err, "the connection that is held")
	}
	stop()
	require.NoError(t, errors.Join(<-results, <-results))
	require.Greater(t, slices.Min(asked), 50)
}

// echo answers TCP connections with what they say.
func (p place) echo(at string) {
	p.t.Helper()
	var listener net.Listener
	inside(p.t, p.namespace, func() (err error) {
		listener, err = net.Listen("tcp4", at)
		return err
	})
	p.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
}
