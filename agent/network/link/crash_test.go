package link

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// agentDir makes the test's binary an agent in that directory, in the host's
// namespace that is its descriptor 3.
const agentDir = "ORC_TEST_AGENT_DIR"

// actAsAgent makes and removes all there is, over and over. It does not return.
func actAsAgent(dir string) {
	w := new(world)
	for {
		fd, err := unix.Dup(3)
		check(err)
		n, err := open(dir, fd)
		check(err)
		check(n.Apply(w.state(0)))
		for c := range 3 {
			_, err := n.Attach(fmt.Sprint("task", c+1), attachment(0, c+1))
			check(err)
		}
		other := w.state(0)
		other.DataPort, other.Peers, other.Blocks = 4790, nil, nil
		check(n.Apply(other))
		check(n.Detach("task1"))
		check(n.Detach("task3"))
		check(n.Remove())
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// An agent is killed wherever it just is. The next one brings about what is meant,
// whatever it finds, and that is all there is then.
func TestAnAgentThatIsKilledAnywhereIsMadeGoodByTheNext(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	far := w.attach(t, 1, 1)
	at := netip.AddrPortFrom(container(1, 1), 80)
	serve(t, far, at)
	one := w.attach(t, 0, 1)
	want := w.picture(t, 0, one)

	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		require.NoError(t, w.nodes[0].Close())
		w.runAgent(t, time.Duration(r.IntN(150))*time.Millisecond)

		w.open(t, 0)
		n := w.nodes[0]
		require.NoError(t, n.Apply(w.state(0)))
		one = w.attach(t, 0, 1)
		tasks, err := n.Containers()
		require.NoError(t, err)
		for _, each := range tasks {
			if each != "task1" {
				require.NoError(t, n.Detach(each))
			}
		}
		require.NoError(t, n.Restore())
		require.Empty(t, difference(want, w.picture(t, 0, one)))
		requireReach(t, one, at)
	}
}

// runAgent runs an agent on host 0 for that long and kills it.
func (w *world) runAgent(t *testing.T, life time.Duration) {
	t.Helper()
	fd, err := unix.Dup(w.hosts[0])
	require.NoError(t, err)
	host := os.NewFile(uintptr(fd), "host")
	defer host.Close()
	output := new(bytes.Buffer)
	agent := exec.Command("/proc/self/exe")
	agent.Env = append(os.Environ(), agentDir+"="+w.dirs[0])
	agent.ExtraFiles = []*os.File{host}
	agent.Stderr = output
	require.NoError(t, agent.Start())
	time.Sleep(life)
	require.NoError(t, agent.Process.Kill())
	require.ErrorContains(t, agent.Wait(), "killed", "the agent failed by itself: %s", output)
}
