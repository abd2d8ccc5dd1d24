package network

import (
	"fmt"
	"maps"
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
	assigned := func(tasks ...string) (assignments []wire.Assignment) {
		for _, id := range tasks {
			assignments = append(assignments, wire.Assignment{Task: api.Task{Meta: api.Meta{ID: id}}})
		}
		return assignments
	}
	var given *attachment
	held := func(why string, settled int64, downs ...wire.Down) {
		t.Helper()
		for _, down := range downs {
			a.note(down)
		}
		require.Empty(t, a.settle(settled), why)
		_, err := a.attach(on("next", "front"), tables)
		require.ErrorContains(t, err, "free address", why)
	}
	freed := func(why string, settled int64, downs ...wire.Down) {
		t.Helper()
		for _, down := range downs {
			a.note(down)
		}
		require.Len(t, a.settle(settled), 1, why)
		next, err := a.attach(on("next", "front"), tables)
		require.NoError(t, err)
		require.Equal(t, given.Addresses, next.Addresses)
	}
	begin := func() {
		a = newAllocator()
		a.note(wire.Down{Full: true, Revision: 2, Tasks: assigned("a", "other")})
		var err error
		given, err = a.attach(on("a", "front"), tables)
		require.NoError(t, err)
	}

	begin()
	held("it is in use", 9, wire.Down{Revision: 5, Removed: []string{"other"}})
	require.NotNil(t, a.free("a", time.Unix(1, 0)))
	require.Nil(t, a.free("a", time.Unix(1, 0)), "once")
	held("managers may not know of its end", 9, wire.Down{Revision: 6, Tasks: assigned("b")}, wire.Down{})
	held("some node has not acted on it", 9, wire.Down{Revision: 10, Ended: []string{"a"}})
	held("it was told before", 9, wire.Down{Revision: 12, Ended: []string{"a"}})
	freed("all have", 10)

	begin()
	held("it is in use, whatever managers take it for", 9, wire.Down{Revision: 5, Ended: []string{"a"}})
	a.free("a", time.Unix(1, 0))
	freed("its end was known before", 9)

	begin()
	a.note(wire.Down{Revision: 7, Removed: []string{"a"}})
	a.free("a", time.Unix(1, 0))
	held("some node may send to it still", 6)
	freed("it is no task any more", 7)

	begin()
	a.free("a", time.Unix(1, 0))
	held("some node has not acted on it", 9, wire.Down{Full: true, Revision: 1_000_000})
	held("nor of another cluster, which is not as far", 3, wire.Down{Full: true, Revision: 4})
	freed("all have", 4)

	begin()
	a.note(wire.Down{Revision: 8, Ended: []string{"a"}})
	a.free("a", time.Unix(1, 0))
	held("nor of one that is further, and knows it as running", 20, wire.Down{Full: true, Revision: 20, Tasks: assigned("a")})
	held("some node may send to it still", 20, wire.Down{Revision: 21, Ended: []string{"a"}})
	freed("all have", 21)

	begin()
	a.free("a", time.Unix(1, 0))
	held("some node has not acted on it", 7, wire.Down{Revision: 8, Ended: []string{"a"}})
	freed("a manager that knows it as ended says so again", 20, wire.Down{Full: true, Revision: 20, Tasks: assigned("a"), Ended: []string{"a"}})

	begin()
	a.free("a", time.Unix(1, 0))
	loaded := *given
	a = newAllocator() // the process begins again
	loaded.unseen = 0
	a.attachments["a"] = &loaded
	held("no manager has told anything", 9, wire.Down{})
	held("its end is not known", 9, wire.Down{Full: true, Revision: 8, Tasks: assigned("a")})
	freed("it is", 9, wire.Down{Full: true, Revision: 9, Tasks: assigned("a"), Ended: []string{"a"}})
}

// TestNoAddressIsGivenTwice plays many tasks that come and go in any order. What the
// node reports comes to the database late, and what is there to other nodes later.
func TestNoAddressIsGivenTwice(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		tables, a := world("10.0.0.0/28", "10.0.4.16/28"), newAllocator()
		type report struct {
			task      string
			addresses []netip.Addr // nil: it has ended
		}
		var reports []report                                        // on their way
		users := make(map[netip.Addr]string)                        // whom the database has others send to
		history := []map[netip.Addr]string{maps.Clone(users)}       // by revision
		ended, used := make(map[string]bool), make(map[string]bool) // in the database; ever
		told, settled, given := 0, int64(0), make(map[string]bool)
		tell := func() {
			told = len(history) - 1
			down := wire.Down{Full: told == 1 || random.IntN(9) == 0, Revision: int64(told)}
			for task := range used {
				if ended[task] && random.IntN(3) == 0 {
					down.Removed = append(down.Removed, task)
					continue
				}
				down.Tasks = append(down.Tasks, wire.Assignment{Task: api.Task{Meta: api.Meta{ID: task}}})
				if ended[task] {
					down.Ended = append(down.Ended, task)
				}
			}
			a.note(down)
			a.settle(settled)
		}
		for i := range 400 {
			switch random.IntN(5) {
			case 0:
				task := fmt.Sprint(i)
				used[task] = true
				history = append(history, maps.Clone(users)) // it is assigned
				tell()
				each, err := a.attach(on(task, "front", "back"), tables)
				if err != nil {
					require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
					ended[task] = true
					continue
				}
				for _, address := range each.Addresses {
					for at := settled; at < int64(len(history)); at++ {
						require.Empty(t, history[at][address], "seed %d, step %d: some node may send to %s", seed, i, address)
					}
				}
				given[task] = true
				reports = append(reports, report{task, each.list()})
			case 1:
				for task := range given {
					a.free(task, time.Unix(1, 0))
					delete(given, task)
					reports = append(reports, report{task, nil})
					break
				}
			case 2: // the next report is committed
				if len(reports) == 0 {
					continue
				}
				next := reports[0]
				reports = reports[1:]
				ended[next.task] = next.addresses == nil
				maps.DeleteFunc(users, func(_ netip.Addr, task string) bool { return task == next.task })
				for _, address := range next.addresses {
					users[address] = next.task
				}
				history = append(history, maps.Clone(users))
			case 3:
				tell()
			case 4: // the others have come this far
				settled += int64(random.IntN(len(history) - int(settled)))
				a.settle(settled)
			}
		}
		require.Greater(t, len(used), 20)
	}
}
