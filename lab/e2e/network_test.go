package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestServicesFindEachOtherByName(t *testing.T) {
	cluster(t)
	network(t, "front")
	network(t, "back")
	orc(t, "service", "create", "--name", "web", "--replicas", "3", "--network", "front", "--hostname", "{{.Node.Hostname}}-{{.Task.Slot}}", "whoami:1.0")
	orc(t, "service", "create", "--name", "client", "--network", "front", "resolve:1.0")
	orc(t, "service", "create", "--name", "stranger", "--network", "back", "resolve:1.0")
	web := waitRunning(t, "web", 3)

	virtual := strings.Fields(orc(t, "exec", "client.1", "/resolve", "dns", "web"))
	require.Len(t, virtual, 1, "one address, however many replicas")
	tasks := strings.Fields(orc(t, "exec", "client.1", "/resolve", "dns", "tasks.web"))
	require.Len(t, tasks, 3)
	require.NotContains(t, tasks, virtual[0])
	var hosts []string
	for _, task := range web {
		name := fmt.Sprintf("%s-%d", task.NodeName, task.Slot)
		hosts = append(hosts, strings.Fields(orc(t, "exec", "client.1", "/resolve", "dns", name))...)
	}
	require.ElementsMatch(t, tasks, hosts, "each container is known by its host name")
	require.Contains(t, orc(t, "exec", "client.1", "/resolve", "ptr", virtual[0]), "web.front")

	// Nobody else can see or reach it.
	require.Contains(t, refused(t, "exec", "stranger.1", "/resolve", "dns", "web"), "no such host")
	for _, address := range append(tasks, virtual...) {
		refused(t, "exec", "stranger.1", "/resolve", "get", "http://"+address+"/")
	}
}

// answers counts who answered, of what `resolve get` printed.
func answers(output string) map[string]int {
	counts := make(map[string]int)
	for _, match := range regexp.MustCompile(`(\d+) times:\nhostname: (\S+)`).FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(match[1]) // the expression lets digits through only
		counts[match[2]] += n
	}
	return counts
}

func TestRequestsAreSpreadEvenlyOverTheReplicasOfThreeNodes(t *testing.T) {
	cluster(t)
	network(t, "front")
	orc(t, "service", "create", "--name", "web", "--mode", "global", "--network", "front", "whoami:1.0")
	orc(t, "service", "create", "--name", "client", "--network", "front", "resolve:1.0")
	waitRunning(t, "web", 3)
	counts := answers(orc(t, "exec", "client.1", "/resolve", "get", "http://web/", "-n", "1000", "-c", "4"))
	require.Len(t, counts, 3, "%v", counts)
	for hostname, n := range counts {
		require.InDelta(t, 1000./3, n, 1000./3*0.05, "%s: %v", hostname, counts)
	}
}

func TestAPublishedPortAnswersOnEveryNodeWithTheClientsAddress(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "web", "--publish", "8010:80", "--publish", "8010:80/udp", "whoami:1.0")
	waitRunning(t, "web", 1)
	for _, node := range lab.Nodes() {
		address := net.JoinHostPort(node.Address().String(), "8010")
		eventually(t, node.Name()+" answers", func() error {
			_, _, err := visit(address)
			return err
		})
		_, client, err := visit(address)
		require.NoError(t, err)
		require.Equal(t, clientAddress(t, address), client, "through %s", node.Name())
		_, client, err = visitUDP(address)
		require.NoError(t, err)
		require.Equal(t, clientAddress(t, address), client, "over UDP, through %s", node.Name())

		// The node itself reaches it by any of its addresses.
		for _, host := range []string{"127.0.0.1", node.Address().String()} {
			require.NoError(t, node.Dial(func() error {
				_, _, err := visit(net.JoinHostPort(host, "8010"))
				return err
			}), "%s, from itself by %s", node.Name(), host)
		}
	}
	require.Contains(t, refused(t, "service", "create", "--name", "other", "--publish", "8010:80", "whoami:1.0"), "web")
}

func TestAPortMayBeChosenBoundOrOfOneNode(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "any", "--publish", "80", "whoami:1.0")
	orc(t, "service", "create", "--name", "local", "--publish", "127.0.0.1:8011:80", "whoami:1.0")
	orc(t, "service", "create", "--name", "host", "--publish", "published=8012,target=80,mode=host", "whoami:1.0")
	for _, name := range []string{"any", "local", "host"} {
		waitRunning(t, name, 1)
	}
	match := regexp.MustCompile(`:(\d+)->80/tcp`).FindStringSubmatch(orc(t, "service", "ls", "--filter", "name=any"))
	require.NotNil(t, match, orc(t, "service", "ls"))
	port, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	require.True(t, port >= api.MinAutomaticPort && port <= api.MaxAutomaticPort, port)
	home := tasks(t, "host")[0].NodeName
	for _, node := range lab.Nodes() {
		address := node.Address().String()
		eventually(t, "the chosen port answers on "+node.Name(), func() error {
			_, _, err := visit(net.JoinHostPort(address, match[1]))
			return err
		})
		require.NoError(t, node.Dial(func() error {
			_, _, err := visit("127.0.0.1:8011")
			return err
		}), node.Name())
		_, _, err := visit(net.JoinHostPort(address, "8011"))
		require.Error(t, err, "it is bound to 127.0.0.1")
		_, _, err = visit(net.JoinHostPort(address, "8012"))
		require.Equal(t, node.Name() != home, err != nil, "a host port answers on its task's node only: %s, %v", node.Name(), err)
	}
}

func TestNoRequestFailsWhileTasksComeAndGo(t *testing.T) {
	lab := cluster(t)
	load := visitAll(openShop(t, lab))
	orc(t, "service", "scale", "shop_web=6")
	orc(t, "service", "scale", "shop_web=2")
	for before := load.done.Load(); load.done.Load()-before < 10_000; {
		orc(t, "service", "update", "--image", "whoami:2.0", "shop_web")
		orc(t, "service", "rollback", "shop_web")
	}
	last := lab.Nodes()[2].Name()
	t.Cleanup(func() { orc(t, "node", "update", "--availability", "active", last) })
	drainShop(t, last)
	waitRunning(t, "shop_web", 2)
	done, failures := load.stop()
	require.Empty(t, failures, "of %d requests", done)
}

// visitPause leaves the containers, which log every request, and the machine some air.
const visitPause = 2 * time.Millisecond

// traffic is requests, one after the other from each of some clients, until stop.
type traffic struct {
	cancel   context.CancelFunc
	group    sync.WaitGroup
	done     atomic.Int64
	mu       sync.Mutex
	failures []string
}

func visitAll(addresses []string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	l := &traffic{cancel: cancel}
	for _, address := range addresses {
		l.group.Go(func() {
			for ctx.Err() == nil {
				_, _, err := visit(address)
				wait(visitPause)
				l.done.Add(1)
				if err != nil {
					l.mu.Lock()
					l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+err.Error())
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

func (l *traffic) stop() (done int64, failures []string) {
	l.cancel()
	l.group.Wait()
	return l.done.Load(), l.failures
}

func TestUDPGoesElsewhereAfterABackendDies(t *testing.T) {
	lab := cluster(t)
	orc(t, "service", "create", "--name", "web", "--replicas", "2", "--publish", "8010:80/udp", "whoami:1.0")
	waitRunning(t, "web", 2)
	// One socket: one tracked connection, which would go on to the dead one.
	address := net.JoinHostPort(lab.Nodes()[0].Address().String(), "8010")
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	defer conn.Close()
	var first string
	eventually(t, "it answers", func() error {
		first, _, err = exchange(conn)
		return err
	})
	for _, task := range tasks(t, "web") {
		if strings.HasPrefix(task.ID, first) || strings.HasPrefix(container(task).Container, first) {
			orc(t, "rm", "-f", container(task).Container)
		}
	}
	orc(t, "service", "scale", "web=1")
	eventually(t, "another answers", func() error {
		hostname, _, err := exchange(conn)
		if err == nil && hostname == first {
			err = errors.New("the same still answers")
		}
		return err
	})
}

func TestTheNetworkIsMendedAndAnAgentsDeathBreaksNoConnection(t *testing.T) {
	lab := cluster(t)
	network(t, "front")
	orc(t, "service", "create", "--name", "web", "--mode", "global", "--network", "front", "--publish", "8010:80", "whoami:1.0")
	waitRunning(t, "web", 3)
	victim := lab.Nodes()[2]
	address := net.JoinHostPort(victim.Address().String(), "8010")
	eventually(t, "it answers", func() error {
		_, _, err := visit(address)
		return err
	})

	// A connection that is held through the agent's death.
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	load := visitAll([]string{address})
	require.NoError(t, victim.KillProcess(t.Context()))
	wait(time.Second)
	require.NoError(t, victim.Start(t.Context()))
	require.NoError(t, lab.WaitNodes(t.Context()))
	done, failures := load.stop()
	require.Empty(t, failures, "of %d requests", done)
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "hostname:")

	// A link cut and healed.
	require.NoError(t, victim.Cut())
	_, _, err = visit(address)
	require.Error(t, err)
	require.NoError(t, victim.Heal())
	require.NoError(t, lab.WaitNodes(t.Context()))
	eventually(t, "it answers again", func() error {
		_, _, err := visit(address)
		return err
	})
}

// network makes a network that is removed at the end, after the services on it.
func network(t *testing.T, name string, flags ...string) {
	t.Helper()
	orc(t, append(append([]string{"network", "create"}, flags...), name)...)
	t.Cleanup(func() {
		cleanUp(t) // nothing uses it then
		orc(t, "network", "rm", name)
	})
}

// visit asks whoami, over a new connection, who it is and whom it sees. It dials on
// the caller's thread, which may be in a node's namespace.
func visit(address string) (hostname, client string, err error) {
	conn, err := net.DialTimeout("tcp", address, visitTimeout)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(visitTimeout)); err != nil {
		return "", "", err
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n\r\n", address); err != nil {
		return "", "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", "", fmt.Errorf("%s -> %s: %w", conn.LocalAddr(), address, err)
	}
	defer response.Body.Close()
	var answer struct{ Hostname, Client string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", "", err
	}
	client, _, err = net.SplitHostPort(answer.Client)
	return answer.Hostname, client, err
}

// visitTimeout is how long an answer may take.
const visitTimeout = 10 * time.Second

func visitUDP(address string) (hostname, client string, err error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	return exchange(conn)
}

// exchange sends a packet and reads whoami's answer.
func exchange(conn net.Conn) (hostname, client string, err error) {
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", "", err
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return "", "", err
	}
	var buffer [2048]byte
	n, err := conn.Read(buffer[:])
	if err != nil {
		return "", "", err
	}
	match := regexp.MustCompile(`hostname: (\S+)\n(?s:.*)client: (\S+):\d+`).FindStringSubmatch(string(buffer[:n]))
	if match == nil {
		return "", "", fmt.Errorf("answered %q", buffer[:n])
	}
	return match[1], match[2], nil
}

// clientAddress is the address that this host reaches another from.
func clientAddress(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	require.NoError(t, err)
	return host
}
