package managers

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/hosts"
)

func TestAManagerWhoseHostIsGoneIsNotWaitedFor(t *testing.T) {
	const timeout, soon = 3 * time.Second, 1100 * time.Millisecond
	for _, c := range []struct {
		name                   string
		before, after, witness bool // whether m2's host answers, before and after, and another
		heard                  bool // m2 does meanwhile
		alive                  bool
	}{
		{name: "its host is gone", before: true, witness: true},
		{name: "its host answers", before: true, after: true, witness: true, alive: true},
		{name: "its host never did", witness: true, alive: true},
		{name: "nobody answers", before: true, alive: true},
		{name: "it is back", before: true, witness: true, heard: true, alive: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var second, third atomic.Bool
				second.Store(c.before)
				third.Store(c.witness)
				m := fixture(t, &database{}, "m1")
				m.config.Ask = func(ctx context.Context, host netip.Addr) error {
					answers := map[string]bool{"10.0.0.2": second.Load(), "10.0.0.3": third.Load()}
					if !answers[host.String()] {
						<-ctx.Done()
						return hosts.ErrSilent
					}
					return nil
				}
				m.put(t, &api.Node{Meta: api.Meta{ID: "m2"}, Role: api.RoleManager, API: "10.0.0.2:6720"},
					&api.NodeStatus{Meta: api.Meta{ID: "w1"}, State: api.NodeReady, Info: api.NodeInfo{Address: netip.MustParseAddr("10.0.0.3")}},
					&api.NodeStatus{Meta: api.Meta{ID: "m1"}, State: api.NodeReady, Info: api.NodeInfo{Address: netip.MustParseAddr("10.0.0.4")}})
				m.peers["m2"] = &peer{heard: time.Now(), served: time.Now(), asking: true} // which goes on here
				require.Equal(t, "[10.0.0.3]", fmt.Sprint(m.witnesses(netip.MustParseAddr("10.0.0.2"))), "not this one itself")
				look := func() {
					m.look(t.Context(), all(m.config.Store.Snapshot()), timeout, time.Now())
					synctest.Wait()
				}
				look()
				time.Sleep(time.Second)
				look()
				require.Equal(t, c.before, m.peers["m2"].kernel.answers)

				second.Store(c.after)
				m.closed("10.0.0.2:6720")
				require.Len(t, m.broken, 1, "watchPeers is woken")
				look()
				time.Sleep(soon / 2)
				require.True(t, m.Alive("m2"))
				if c.heard {
					m.mu.Lock()
					m.peers["m2"].heard = time.Now()
					m.mu.Unlock()
				}
				time.Sleep(soon / 2)
				look()
				require.Equal(t, c.alive, m.Alive("m2"))
				require.Equal(t, c.alive, m.Answers("m2"))
				m.mu.Lock()
				delete(m.peers, "m2") // ends a vigil
				m.mu.Unlock()
				m.asking.Wait()
			})
		})
	}
}

func TestALineTellsWhenTheOtherEndClosesIt(t *testing.T) {
	for name, remote := range map[string]bool{"the other end": true, "this one": false} {
		here, there := net.Pipe()
		told := false
		l := &line{here, func() { told = true }}
		if remote {
			there.Close()
		} else {
			l.Close()
		}
		_, err := l.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, remote, told, name)
		here.Close()
		there.Close()
	}
}
