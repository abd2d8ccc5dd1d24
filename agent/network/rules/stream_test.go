package rules

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
)

// stream sends packets without pause and has them sent back.
type stream struct {
	client, server net.PacketConn
	to             net.Addr
	sent, answered int
	strange        map[string]int // what the server saw that was not the client
}

// ahead is how many packets of a stream are under way: few enough for every queue.
const ahead = 32

// during sends while a function works, and then waits for what is under way.
func (s *stream) during(work func()) error {
	var serving sync.WaitGroup
	serving.Go(s.serve)
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() { failed <- s.send(stop) }()
	work()
	close(stop)
	err := <-failed
	s.server.Close()
	serving.Wait()
	return err
}

func (s *stream) serve() {
	buffer := make([]byte, 1)
	for {
		_, from, err := s.server.ReadFrom(buffer)
		if err != nil {
			return
		}
		if from.String() != s.client.LocalAddr().String() {
			s.strange[from.String()]++
		}
		s.server.WriteTo(buffer, from)
	}
}

func (s *stream) send(stop <-chan struct{}) error {
	buffer, stopped := make([]byte, 1), false
	for {
		select {
		case <-stop:
			stopped = true
		default:
		}
		for ; !stopped && s.sent < s.answered+ahead; s.sent++ {
			if _, err := s.client.WriteTo(buffer, s.to); err != nil {
				return err
			}
		}
		if s.sent == s.answered {
			return nil
		}
		if err := s.client.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, _, err := s.client.ReadFrom(buffer); err != nil {
			return fmt.Errorf("%d of %d packets were lost: %w", s.sent-s.answered, s.sent, err)
		}
		s.answered++
	}
}

// renamed is a table with another layout: each of its sets has another name.
func renamed(c content, sets []set, chains map[string]chain) (content, []set, map[string]chain) {
	const other = "_2"
	sets, chains = slices.Clone(sets), maps.Clone(chains)
	elements := make(map[string]elements)
	for i := range sets {
		elements[sets[i].name+other] = c.sets[sets[i].name]
		sets[i].name += other
	}
	for name, chain := range chains {
		chain.rules = slices.Clone(chain.rules)
		for i, rule := range chain.rules {
			chain.rules[i] = slices.Clone(rule)
			for j, e := range rule {
				if lookup, is := e.(*expr.Lookup); is {
					there := *lookup
					there.SetName += other
					chain.rules[i][j] = &there
				}
			}
		}
		chains[name] = chain
	}
	return content{sets: elements, classes: c.classes}, sets, chains
}

// What is published goes on while orc's table gets another layout, as by an update of orc:
// no packet is lost or comes from elsewhere. (Over UDP: of TCP the kernel would send lost
// ones again.)
func TestNoPacketIsLostWhileTheLayoutChanges(t *testing.T) {
	l := newLab(t, 2)
	asked, backend := l.nodes[0], l.nodes[1].run(1, false, 0, 255)
	l.publish(8010, Published{Backends: backends(80, backend)})
	s := stream{
		server: backend.listen(":80"), client: l.client.listen(clientPort.String()),
		to: &net.UDPAddr{IP: asked.address(0).AsSlice(), Port: 8010}, strange: make(map[string]int),
	}
	err := s.during(func() {
		for i := range 50 {
			for _, n := range l.nodes {
				for _, s := range []struct {
					*space
					content
					sets   []set
					chains map[string]chain
				}{
					{n.table.host, n.table.plan.host(), hostSets, hostChains(n.state.Links)},
					{n.table.router, n.table.plan.router(), routerSets, routerChains(n.state.Links)},
				} {
					content, chains := s.content, s.chains
					s.space.sets = s.sets
					if i%2 == 0 {
						content, s.space.sets, chains = renamed(content, s.sets, chains)
					}
					found, err := s.restore(content, chains)
					require.NoError(t, err)
					require.NotEmpty(t, found)
				}
			}
		}
	})
	require.NoError(t, err)
	require.Empty(t, s.strange)
	for _, n := range l.nodes {
		found, err := n.table.Restore()
		require.NoError(t, err)
		require.Empty(t, found)
	}
}
