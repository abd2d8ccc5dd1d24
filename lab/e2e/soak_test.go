package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/lab"
)

// soakVariable says how long TestSoak goes on: `make soak`.
const soakVariable = "ORC_SOAK"

// TestSoak is TestNoRequestFailsWhileTasksComeAndGo for as long as one likes and as
// fast as the machine can, over and over. Of a request that fails it shows what the
// nodes know of its connection.
func TestSoak(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv(soakVariable))
	if err != nil {
		t.Skipf("it takes minutes: `make soak` runs it (%s is a duration)", soakVariable)
	}
	lab := cluster(t)
	s := &soak{lab: lab}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for _, address := range openShop(t, lab) {
		for range 4 {
			clients.Go(func() { s.ask(ctx, address) })
		}
	}
	last, rounds := lab.Nodes()[2].Name(), 0
	for until := time.Now().Add(span); time.Now().Before(until); rounds++ {
		orc(t, "service", "scale", "shop_web=6")
		orc(t, "service", "scale", "shop_web=2")
		orc(t, "service", "update", "--image", "whoami:2.0", "shop_web")
		orc(t, "service", "rollback", "shop_web")
		drainShop(t, last)
		orc(t, "node", "update", "--availability", "active", last)
		t.Log(s)
	}
	stop()
	clients.Wait()
	t.Logf("%d rounds, %s", rounds, s)
	require.Empty(t, s.failures)
}

// soak counts requests.
type soak struct {
	lab      *lab.Lab
	mu       sync.Mutex
	done     int
	slow     int
	slowest  time.Duration
	failures []string
}

func (s *soak) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d requests, %d failed, %d took longer than 0.9 s, the slowest %s", s.done, len(s.failures), s.slow, s.slowest)
}

// ask sends one request after the other, each over a connection of its own.
func (s *soak) ask(ctx context.Context, address string) {
	for ctx.Err() == nil {
		began := time.Now()
		local, stage, seen, err := s.request(address)
		took := time.Since(began)
		if err != nil {
			seen += "in the end:\n" + s.look(local) + s.logs(began.Add(-5*time.Second))
		}
		s.mu.Lock()
		s.done++
		s.slowest = max(s.slowest, took)
		if took > 900*time.Millisecond { // a packet was sent again
			s.slow++
		}
		if err != nil {
			s.failures = append(s.failures, fmt.Sprintf("%s: %s → %s, %s, after %s: %v\n%s", began.Format("15:04:05.000"), local, address, stage, took, err, seen))
		}
		s.mu.Unlock()
	}
}

// suspicious is after how long a request is looked at while it waits.
const suspicious = 1500 * time.Millisecond

// request sends one, and returns the client's end of its connection, how far it came,
// and what was seen of it while it waited.
func (s *soak) request(address string) (local, stage, seen string, err error) {
	began := time.Now()
	conn, err := net.DialTimeout("tcp", address, visitTimeout)
	if err != nil {
		return "", "dial", "", err
	}
	defer conn.Close()
	local = conn.LocalAddr().String()
	seen = fmt.Sprintf("connected after %s\n", time.Since(began))
	looked := make(chan string, 1)
	look := time.AfterFunc(suspicious, func() { looked <- s.look(local) })
	defer func() {
		if !look.Stop() {
			seen += "after a while:\n" + <-looked
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(visitTimeout)); err != nil {
		return local, "deadline", seen, err
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"); err != nil {
		return local, "write", seen, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return local, "read", seen, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return local, "answer", seen, errors.New(response.Status)
	}
	return local, "", seen, nil
}

// logs are what the nodes have said since then.
func (s *soak) logs(since time.Time) string {
	var all strings.Builder
	for _, node := range s.lab.Nodes() {
		data, err := os.ReadFile(node.LogFile())
		if err != nil {
			fmt.Fprintln(&all, err)
		}
		for line := range strings.Lines(string(data)) {
			_, after, found := strings.Cut(line, `"ts":"`)
			at, _, _ := strings.Cut(after, `"`)
			if when, err := time.Parse(time.RFC3339Nano, at); found && err == nil && when.After(since) {
				fmt.Fprintf(&all, "%s: %s", node.Name(), line)
			}
		}
	}
	return all.String()
}

// look shows what nodes' routers know of the connection from a local port, and where
// they send new ones.
func (s *soak) look(local string) string {
	_, port, err := net.SplitHostPort(local)
	if err != nil {
		port = "no port"
	}
	var all strings.Builder
	for _, node := range s.lab.Nodes() {
		router, err := routerOf(node)
		if err != nil {
			fmt.Fprintln(&all, err)
			continue
		}
		tracked, err := exec.Command("nsenter", "--net="+router, "conntrack", "-L", "-p", "tcp").Output()
		if err != nil {
			fmt.Fprintln(&all, err)
		}
		for line := range strings.Lines(string(tracked)) {
			if strings.Contains(line, "port="+port+" ") {
				fmt.Fprintf(&all, "%s: %s", node.Name(), line)
			}
		}
		targets, err := exec.Command("nsenter", "--net="+router, "nft", "list", "map", "ip", "orc", "port_targets").Output()
		if err != nil {
			fmt.Fprintln(&all, err)
		}
		fmt.Fprintf(&all, "%s: %s\n", node.Name(), strings.Join(strings.Fields(string(targets)), " "))
	}
	return all.String()
}
