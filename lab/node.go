package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orc-project/orc/sleep"
)

// Node is one host of a lab.
type Node struct {
	lab   *Lab
	state nodeState
}

// Nodes are the lab's nodes, in the order of their names' numbers.
func (l *Lab) Nodes() []*Node {
	nodes := make([]*Node, len(l.state.Nodes))
	for i, each := range l.state.Nodes {
		nodes[i] = &Node{lab: l, state: each}
	}
	return nodes
}

// Node finds a node by its name.
func (l *Lab) Node(name string) (*Node, error) {
	for _, node := range l.Nodes() {
		if node.state.Name == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("lab %s has no node %s: it has n1 to n%d", l.state.Name, name, len(l.state.Nodes))
}

// Name is the node's name, as in `orc node ls`.
func (n *Node) Name() string { return n.state.Name }

// Manager says whether the node was made a manager.
func (n *Node) Manager() bool { return n.state.Manager }

// Address is the node's address in the lab.
func (n *Node) Address() netip.Addr { return n.state.Address }

// DataDir is the node's --data-dir.
func (n *Node) DataDir() string { return filepath.Join(n.dir(), "data") }

// Socket is the node's API socket.
func (n *Node) Socket() string { return filepath.Join(n.DataDir(), "orc.sock") }

// LogFile is what the node's process printed.
func (n *Node) LogFile() string { return filepath.Join(n.dir(), "log") }

// Pid is the node's orc process, or 0 when none runs.
func (n *Node) Pid() int {
	data, err := os.ReadFile(n.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(command), n.DataDir()) {
		return 0 // ended, and perhaps the number is somebody else's by now
	}
	return pid
}

// Start starts the node's process, first or again. A first start of any node but
// the first needs the first one's API, for the join token.
func (n *Node) Start(ctx context.Context) error {
	if pid := n.Pid(); pid != 0 {
		return fmt.Errorf("node %s runs already (process %d)", n.state.Name, pid)
	}
	args, err := n.command(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.dir(), 0o700); err != nil {
		return err
	}
	output, err := os.OpenFile(n.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.Command(n.lab.state.Binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = output, output, "/"
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "ORC_HOST=", "ORC_CONTEXT=", "NOTIFY_SOCKET=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := inNamespace(n.lab.namespace(n.state.Name), cmd.Start); err != nil {
		return fmt.Errorf("start node %s: %w", n.state.Name, err)
	}
	go cmd.Wait() // reaps it, should it end before this process does
	return os.WriteFile(n.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

// command is the node's command line. A node that has joined resumes from its
// data directory, where the joining flags mean nothing.
func (n *Node) command(ctx context.Context) ([]string, error) {
	role := "agent"
	if n.state.Manager {
		role = "server"
	}
	args := []string{role, "--data-dir", n.DataDir(), "--name", n.state.Name}
	first := n.lab.Nodes()[0]
	switch {
	case n.state.Name == first.state.Name:
		args = append(args, "--bootstrap")
	case !n.joined():
		kind := "worker"
		if n.state.Manager {
			kind = "manager"
		}
		token, err := first.Orc(ctx, "token", kind, "-q")
		if err != nil {
			return nil, fmt.Errorf("join token for %s: %w", n.state.Name, err)
		}
		args = append(args, "--join", first.state.Address.String()+":6720", "--token", strings.TrimSpace(token))
	}
	return append(args, n.lab.state.Args...), nil
}

// joined says whether the node's data directory makes it a member already.
func (n *Node) joined() bool {
	_, err := os.Stat(filepath.Join(n.DataDir(), "node.json"))
	return err == nil
}

// Orc runs the node's binary as a user on that host would, and returns what it
// printed. The error has what it said on standard error.
func (n *Node) Orc(ctx context.Context, args ...string) (string, error) {
	return n.Run(ctx, n.lab.state.Binary, args...)
}

// Run runs a command in the node's network namespace, with ORC_HOST set to the
// node's socket, and returns its standard output.
func (n *Node) Run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := n.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := n.Exec(cmd); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args[1:], " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Command prepares a command for Exec.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), n.Environ()...)
	return cmd
}

// Environ is what makes orc, without any flag, the node's: the settings that a host of
// its own would not need, for they are its defaults there.
func (n *Node) Environ() []string {
	return []string{"ORC_HOST=unix://" + n.Socket(), "ORC_CONTEXT=", "ORC_DATA_DIR=" + n.DataDir(), "ORC_NAME=" + n.state.Name}
}

// Exec runs a prepared command in the node's namespace to its end.
func (n *Node) Exec(cmd *exec.Cmd) error {
	if err := inNamespace(n.lab.namespace(n.state.Name), cmd.Start); err != nil {
		return err
	}
	return cmd.Wait()
}

// Dial calls do on a thread in the node's namespace: sockets made there are the
// node's, also when used elsewhere later.
func (n *Node) Dial(do func() error) error {
	return inNamespace(n.lab.namespace(n.state.Name), do)
}

// WaitReady waits until the node's own API answers. When its process ends
// instead, the error has the end of its log.
func (n *Node) WaitReady(ctx context.Context) error {
	for {
		if _, err := n.Orc(ctx, "version"); err == nil {
			if _, err = n.Orc(ctx, "node", "ls", "-q"); err == nil {
				return nil
			}
		}
		if n.Pid() == 0 {
			return fmt.Errorf("node %s ended:\n%s", n.state.Name, n.logTail())
		}
		if err := sleep.For(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("node %s is not ready: %w\n%s", n.state.Name, err, n.logTail())
		}
	}
}

// WaitNodes waits until the first manager sees every node whose process runs
// ready.
func (l *Lab) WaitNodes(ctx context.Context) error {
	for {
		out, err := l.Nodes()[0].Orc(ctx, "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		missing := l.notReady(out)
		if err == nil && len(missing) == 0 {
			return nil
		}
		for _, node := range l.Nodes() {
			if node.Pid() == 0 {
				return fmt.Errorf("node %s ended:\n%s", node.state.Name, node.logTail())
			}
		}
		if err := errors.Join(err, sleep.For(ctx, 100*time.Millisecond)); ctx.Err() != nil {
			return fmt.Errorf("nodes not ready (%s): %w", strings.Join(missing, ", "), err)
		}
	}
}

// WaitManagers waits until no manager is a learner any more: until then a cluster has
// fewer to lose than it seems.
func (l *Lab) WaitManagers(ctx context.Context) error {
	for {
		out, err := l.Nodes()[0].Orc(ctx, "node", "ls", "--filter", "role=manager", "--format", "{{.ManagerStatus}}")
		voters := strings.Count(out, "Leader\n") + strings.Count(out, "Reachable\n")
		if err == nil && voters == l.managers() {
			return nil
		}
		if err := errors.Join(err, sleep.For(ctx, 100*time.Millisecond)); ctx.Err() != nil {
			return fmt.Errorf("%d of %d managers vote: %w", voters, l.managers(), err)
		}
	}
}

func (l *Lab) managers() int {
	n := 0
	for _, each := range l.state.Nodes {
		if each.Manager {
			n++
		}
	}
	return n
}

func (l *Lab) notReady(list string) []string {
	var missing []string
	for _, node := range l.Nodes() {
		if !strings.Contains("\n"+list, "\n"+node.state.Name+" Ready\n") {
			missing = append(missing, node.state.Name)
		}
	}
	return missing
}

func (n *Node) dir() string     { return filepath.Join(n.lab.dir, n.state.Name) }
func (n *Node) pidFile() string { return filepath.Join(n.dir(), "pid") }

func (n *Node) logTail() string {
	data, err := os.ReadFile(n.LogFile())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data[max(0, len(data)-4096):]))
}
