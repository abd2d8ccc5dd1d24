package session

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
)

// TestWhatANodeSaysOfItselfIsBounded: what is stored of it is in the memory of every
// manager.
func TestWhatANodeSaysOfItselfIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 1<<20)
	many := make(map[string]int64)
	routes := make([]netip.Prefix, 100_000)
	volumes := make([]string, 10_000)
	for i := range routes {
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], uint32(i)<<8)
		routes[i] = netip.PrefixFrom(netip.AddrFrom4(address), 24)
		many[fmt.Sprint(i)] = 1
	}
	for i := range volumes {
		volumes[i] = fmt.Sprintf("volume-%06d", i)
	}
	s := newSession("n1", &wire.Hello{Session: api.NewID()}, netip.Addr{}, nil, New(Config{Store: newStore(t)}, zap.NewNop()))
	for what, info := range map[string]api.NodeInfo{
		"texts":           {Hostname: long, Kernel: long, OS: long, Version: long, Platform: api.Platform{OS: long, Arch: long}, Trust: api.Trust{Issuer: long}},
		"engine labels":   {Engine: map[string]string{long: long}},
		"resources":       {Capacity: api.ResourceSet{Generic: many}},
		"roots":           {Trust: api.Trust{Roots: volumes, Database: []string{long}}},
		"one long volume": {Volumes: []string{long}},
		"volumes":         {Volumes: volumes},
		"routes":          {Subnets: routes},
		"a zone":          {Address: netip.MustParseAddr("fe80::1").WithZone(long)},
		"all":             {Hostname: long, Engine: map[string]string{long: long}, Volumes: volumes, Subnets: routes},
	} {
		kept := s.bounded(info)
		require.True(t, fits(kept), what)
		data, err := wire.Marshal(kept)
		require.NoError(t, err)
		var again api.NodeInfo
		require.NoError(t, wire.Unmarshal(data, &again))
		require.Equal(t, kept, again, what)
	}
	require.Equal(t, volumes[:2500], s.bounded(api.NodeInfo{Volumes: volumes}).Volumes)
	honest := api.NodeInfo{Hostname: "host", Volumes: volumes[:1000], Subnets: routes[:1000], Engine: map[string]string{"a": "b"}}
	require.Equal(t, honest, s.bounded(honest))
}

// TestWhatANodeSaysOfItselfIsStoredOnceInAWhile: the newest, and the first at once.
func TestWhatANodeSaysOfItselfIsStoredOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newStore(t, "n1"))
		defer m.stop()
		watcher := m.store.Watch()
		defer watcher.Close()
		_, err := watcher.Next(t.Context())
		require.NoError(t, err)
		writes := 0
		go func() {
			for {
				update, err := watcher.Next(t.Context())
				if err != nil {
					return
				}
				for _, change := range update.Changes {
					if change.Kind == api.KindNodeStatus {
						writes++
					}
				}
			}
		}()
		a := m.connect("n1")
		defer a.hangUp()
		say := func(hostname string) { a.send(wire.Up{Info: &api.NodeInfo{Hostname: hostname}}) }
		say("first")
		m.settle()
		require.Equal(t, "first", m.node("n1").Info.Hostname)
		before := writes
		for i := range 30 {
			say(fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(infoPause)
		m.settle()
		require.Equal(t, "29", m.node("n1").Info.Hostname)
		require.LessOrEqual(t, writes-before, 4)
		require.Equal(t, api.NodeReady, store.Get[api.NodeStatus](m.store.Snapshot(), "n1").State)
	})
}

func TestAMessageCostsWhatItIsLong(t *testing.T) {
	require.Equal(t, 1, cost(&wire.Up{}, 10))
	require.Equal(t, 51, cost(&wire.Up{Info: &api.NodeInfo{}}, 300))
	require.Equal(t, 201, cost(&wire.Up{Statuses: make([]api.TaskStatus, 200)}, 100<<10))
	require.Equal(t, perSecond, cost(&wire.Up{Info: &api.NodeInfo{}}, wire.MaxUp))
}
