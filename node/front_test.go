package node

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// front is how the others reach a manager, both ports of it, until it is cut.
type front struct {
	t     *testing.T
	pairs [][2]string // where it listens, where that leads

	mu   sync.Mutex
	open map[io.Closer]bool
	on   bool
}

// frontOf stands before a manager that listens at an address of 127.0.0.1, and is
// reached at the same ports of 127.0.0.2.
func frontOf(t *testing.T, listen string) *front {
	t.Helper()
	_, text, err := net.SplitHostPort(listen)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	f := &front{t: t, open: make(map[io.Closer]bool)}
	for _, each := range []int{port, port + 1} {
		number := strconv.Itoa(each)
		f.pairs = append(f.pairs, [2]string{net.JoinHostPort("127.0.0.2", number), net.JoinHostPort("127.0.0.1", number)})
	}
	f.heal()
	t.Cleanup(f.cut)
	return f
}

// address is what the manager advertises.
func (f *front) address() string { return f.pairs[0][0] }

// heal lets connections through.
func (f *front) heal() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = true
	for _, pair := range f.pairs {
		listener, err := net.Listen("tcp", pair[0])
		require.NoError(f.t, err)
		f.open[listener] = true
		go f.serve(listener, pair[1])
	}
}

// cut ends all connections, and refuses others.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = false
	for each := range f.open {
		each.Close()
		delete(f.open, each)
	}
}

// keep notes what is to end with the next cut; it is ended at once after one.
func (f *front) keep(connection net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on {
		connection.Close()
		return
	}
	f.open[connection] = true
}

func (f *front) serve(listener net.Listener, target string) {
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		f.keep(in)
		go func() {
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				return
			}
			f.keep(out)
			go pass(out, in)
			pass(in, out)
		}()
	}
}

func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// threeApart are three managers, each behind a front. The first leads.
func threeApart(t *testing.T) ([]*voter, []*front) {
	t.Helper()
	fronts := make([]*front, 3)
	begin := func(i int, config Config) *voter {
		fronts[i] = frontOf(t, config.Listen)
		config.Advertise = fronts[i].address()
		return startManager(t, config)
	}
	first := begin(0, managerConfig(t.TempDir(), freePort(t)))
	first.waitReady(first.config.DataDir)
	all := []*voter{first, begin(1, first.joining(t, "m2")), begin(2, first.joining(t, "m3"))}
	for _, each := range all {
		each.sees(map[string]api.ManagerState{"m1": api.ManagerLeader, "m2": api.ManagerReachable, "m3": api.ManagerReachable})
	}
	return all, fronts
}
