package network

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// world is a node, number 1, on two networks.
func world(blocks ...string) *tables {
	t := &tables{
		Number: 1,
		Networks: map[string]wire.Network{
			"front": {Name: "front", Subnet: netip.MustParsePrefix("10.0.0.0/20")},
			"back":  {Name: "back", Subnet: netip.MustParsePrefix("10.0.16.0/20"), Internal: true},
		},
		Blocks: map[string]wire.Block{
			"front.other": {Network: "front", Node: 2, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/28")}},
			"back.me":     {Network: "back", Node: 1, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.16.0/28")}},
		},
	}
	var own []netip.Prefix
	for _, block := range blocks {
		own = append(own, netip.MustParsePrefix(block))
	}
	t.Blocks["front.me"] = wire.Block{Network: "front", Node: 1, Prefixes: own}
	return t
}

func on(task string, networks ...string) attachment {
	return attachment{Task: task, Networks: networks}
}

func TestATaskKeepsItsAddressWhateverHappensToOthers(t *testing.T) {
	tables, a := world("10.0.0.0/29"), newAllocator()
	first, err := a.attach(on("a", "front", "back"), tables)
	require.NoError(t, err)
	require.Equal(t, map[string]netip.Addr{"front": netip.MustParseAddr("10.0.0.1"), "back": netip.MustParseAddr("10.0.16.1")}, first.Addresses,
		"the first of a subnet is nobody's")
	second, err := a.attach(on("b", "front"), tables)
	require.NoError(t, err)
	require.Equal(t, "10.0.0.2", second.Addresses["front"].String())
	again, err := a.attach(on("a", "front", "back"), tables)
	require.NoError(t, err)
	require.Equal(t, first.Addresses, again.Addresses)
	require.Equal(t, first.Link, again.Link)
}

func TestWhyThereIsNoAddressIsSaid(t *testing.T) {
	tables, a := world("10.0.0.8/30"), newAllocator()
	for task, want := range map[string]string{"unknown": "told of network", "none": "waits for addresses on network front"} {
		other := world()
		if task == "unknown" {
			delete(other.Networks, "front")
		}
		_, err := a.attach(on(task, "front"), other)
		require.ErrorContains(t, err, want)
		require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
	}
	for i := range 4 {
		_, err := a.attach(on(fmt.Sprint(i), "front"), tables)
		require.NoError(t, err)
	}
	_, err := a.attach(on("more", "back", "front"), tables)
	require.ErrorContains(t, err, "waits for a free address on network front")
	for id, block := range tables.Blocks {
		block.Lacks = true
		tables.Blocks[id] = block
	}
	_, err = a.attach(on("more", "back", "front"), tables)
	require.ErrorContains(t, err, "has none left for this node")
	require.NotContains(t, a.attachments, "more", "all or nothing")
}

func TestAnAddressRestsUntilNoNodeSendsToIt(t *testing.T) {
	tables, a := world("10.0.0.1/32"), newAllocator()
	now := time.Unix(100, 0)
	given, err := a.attach(on("a", "front"), tables)
	require.NoError(t, err)
	tables.Backends = map[string]wire.Backend{"a": {Addresses: given.Addresses}}
	require.NotNil(t, a.free("a", now))
	require.Nil(t, a.free("a", now), "once")
	later := now.Add(inFlight + time.Second)
	held := func(down wire.Down, settled int64, now time.Time) {
		t.Helper()
		require.Empty(t, a.settle(tables, down, settled, now))
		_, err := a.attach(on("b", "front"), tables)
		require.ErrorContains(t, err, "free address")
	}
	held(wire.Down{Revision: 5}, 9, later) // managers still name it
	delete(tables.Backends, "a")
	held(wire.Down{Revision: 6}, 9, now)    // what they say now may not know of its end
	held(wire.Down{Settled: 9}, 9, later)   // this says nothing of tasks
	held(wire.Down{Revision: 10}, 9, later) // some node has not acted on it
	held(wire.Down{Revision: 12}, 9, later)
	require.Len(t, a.settle(tables, wire.Down{Settled: 10}, 10, later), 1)
	next, err := a.attach(on("b", "front"), tables)
	require.NoError(t, err)
	require.Equal(t, given.Addresses, next.Addresses)
}

// Where nothing else happens managers have nothing to tell, and say so.
func TestAnAddressIsFreeInAQuietCluster(t *testing.T) {
	tables, a, now := world("10.0.0.1/32"), newAllocator(), time.Unix(100, 0)
	_, err := a.attach(on("a", "front"), tables)
	require.NoError(t, err)
	require.NotNil(t, a.free("a", now))
	quiet := wire.Down{}
	require.Empty(t, a.settle(tables, quiet, 0, now.Add(time.Hour)), "no manager has told anything yet")
	require.Empty(t, a.settle(tables, wire.Down{Revision: 6}, 5, now), "that may not know of its end")
	require.Empty(t, a.settle(tables, quiet, 5, now.Add(inFlight)), "this may neither")
	require.Empty(t, a.settle(tables, quiet, 5, now.Add(inFlight+1)), "some node has not acted on 6")
	require.Len(t, a.settle(tables, wire.Down{Settled: 6}, 6, now.Add(inFlight+1)), 1)

	_, err = a.attach(on("b", "front"), tables)
	require.NoError(t, err)
	require.NotNil(t, a.free("b", now))
	require.Empty(t, a.settle(tables, wire.Down{Settled: 6}, 6, now.Add(time.Hour)), "this speaks of what all others know")
	require.Len(t, a.settle(tables, quiet, 6, now.Add(time.Hour)), 1, "all nodes have acted on all there is")
}

// TestNoAddressIsGivenTwice plays many tasks that come and go in any order.
func TestNoAddressIsGivenTwice(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		tables, a := world("10.0.0.0/28", "10.0.4.16/28"), newAllocator()
		now, revision, settled := time.Unix(0, 0), int64(1), int64(0)
		tables.Backends = make(map[string]wire.Backend)
		named := func() map[netip.Addr]string {
			users := make(map[netip.Addr]string)
			for task, backend := range tables.Backends {
				for _, address := range backend.Addresses {
					users[address] = task
				}
			}
			return users
		}
		for i := range 400 {
			task := fmt.Sprint(random.IntN(40))
			switch random.IntN(5) {
			case 0:
				before := named()
				each, err := a.attach(on(task, "front", "back"), tables)
				if err != nil {
					require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
					continue
				}
				for network, address := range each.Addresses {
					require.True(t, tables.Networks[network].Subnet.Contains(address))
					if user, used := before[address]; used {
						require.Equal(t, task, user, "seed %d, step %d: %s", seed, i, address)
					}
				}
				tables.Backends[task] = wire.Backend{Addresses: each.Addresses}
			case 1:
				a.free(task, now)
			case 2: // managers hear of what ended, and tell
				for id, each := range a.attachments {
					if !each.Freed.IsZero() && now.Sub(each.Freed) > time.Second {
						delete(tables.Backends, id)
					}
				}
				revision++
				a.settle(tables, wire.Down{Revision: revision}, settled, now)
			case 3:
				settled = revision
				a.settle(tables, wire.Down{Settled: settled}, settled, now)
			case 4:
				a.settle(tables, wire.Down{}, settled, now)
			}
			now = now.Add(time.Duration(random.IntN(1500)) * time.Millisecond)
			users := make(map[netip.Addr]string)
			for id, each := range a.attachments {
				for _, address := range each.Addresses {
					require.Empty(t, users[address], "seed %d, step %d: %s is %s's and %s's", seed, i, address, users[address], id)
					users[address] = id
				}
			}
		}
	}
}

func TestAnAddressIsFreeAgainThoughTheClockWasPutBack(t *testing.T) {
	tables, a, now := world("10.0.0.0/29"), newAllocator(), time.Now().Round(0)
	_, err := a.attach(on("a", "front"), tables)
	require.NoError(t, err)
	a.free("a", now)
	now = now.Add(-time.Hour)
	require.Empty(t, a.settle(tables, wire.Down{Revision: 5}, 4, now), "not all nodes have heard of it")
	require.Len(t, a.settle(tables, wire.Down{Settled: 5}, 5, now), 1)
}
