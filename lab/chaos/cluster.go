package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
	"github.com/orc-project/orc/sleep"
)

// labName is the lab's name within the run's directory.
const labName = "chaos"

// Cluster is a lab with what the suite needs to know of it: how to reach its
// managers, and which nodes are well.
type Cluster struct {
	Lab    *lab.Lab
	disks  disks
	binary string
	images string // directory
	// journal is told of what happens to the whole database, and when on the
	// history's clock.
	journal func(verb Verb, do func() error) error
	// alone is held by a fault that bears no other beside it, and shared by others.
	alone sync.RWMutex

	clients map[string]*client.Client
	health  *health
	pace    *pace

	mu       sync.Mutex
	flickers map[string]func() error
}

// Up makes a cluster that Down removes.
func Up(ctx context.Context, config Config) (*Cluster, error) {
	c := &Cluster{
		disks: disksOf(config), binary: config.Binary, images: config.Images, clients: make(map[string]*client.Client),
		flickers: make(map[string]func() error), pace: newPace(),
	}
	if err := c.disks.make(ctx, config.Managers+config.Agents); err != nil {
		return nil, errors.Join(err, c.disks.remove())
	}
	l, err := lab.Up(ctx, lab.Options{
		Dir: config.Dir, Name: labName, Managers: config.Managers, Agents: config.Agents,
		Subnet: config.Subnet, Binary: config.Binary,
	})
	if err != nil {
		return nil, errors.Join(err, c.disks.remove())
	}
	c.Lab = l
	for _, node := range c.Managers() {
		if c.clients[node.Name()], err = client.New(client.Options{Host: "unix://" + node.Socket()}); err != nil {
			return nil, errors.Join(err, c.Down(ctx))
		}
	}
	c.health = newHealth(c.names())
	return c, nil
}

// Down removes all that Up made.
func (c *Cluster) Down(ctx context.Context) error {
	for _, each := range c.clients {
		each.Close()
	}
	var errs []error
	for _, node := range c.Lab.Nodes() {
		errs = append(errs, node.Kill(ctx))
	}
	errs = append(errs, c.disks.remove())
	return errors.Join(append(errs, c.Lab.Down(ctx))...)
}

// Managers are the nodes that have an API.
func (c *Cluster) Managers() []*lab.Node {
	var managers []*lab.Node
	for _, node := range c.Lab.Nodes() {
		if node.Manager() {
			managers = append(managers, node)
		}
	}
	return managers
}

// names are the managers'.
func (c *Cluster) names() []string {
	var names []string
	for _, node := range c.Managers() {
		names = append(names, node.Name())
	}
	return names
}

// loadImages gives every node that is connected what the suite runs.
func (c *Cluster) loadImages(ctx context.Context) error {
	_, err := c.Managers()[0].Orc(ctx, "image", "load", filepath.Join(c.images, archive))
	return err
}

// Client speaks to a manager.
func (c *Cluster) Client(manager string) *client.Client { return c.clients[manager] }

// Ask calls ask with one manager's client after the other until there is no error,
// with those that are well first.
func (c *Cluster) Ask(ctx context.Context, ask func(context.Context, *client.Client) error) error {
	var errs []error
	managers := c.Managers()
	slices.SortStableFunc(managers, func(a, b *lab.Node) int { return c.health.faults(a.Name()) - c.health.faults(b.Name()) })
	for _, node := range managers {
		if node.Pid() == 0 {
			errs = append(errs, fmt.Errorf("manager %s does not run", node.Name()))
			continue
		}
		timed, cancel := context.WithTimeout(ctx, askTime)
		err := ask(timed, c.Client(node.Name()))
		cancel()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("manager %s: %w", node.Name(), err))
	}
	return errors.Join(errs...)
}

// askTime is how long a manager may take to answer before another is asked.
const askTime = 2 * time.Second

// leader is the name of the node that leads, or "".
func (c *Cluster) leader(ctx context.Context) string {
	name := ""
	if err := c.Ask(ctx, func(ctx context.Context, api *client.Client) error {
		nodes, err := api.Nodes(ctx)
		for _, node := range nodes {
			if node.Leader {
				name = node.Name
			}
		}
		return err
	}); err != nil {
		return "" // nobody can tell: then nobody leads
	}
	return name
}

// flicker does and undoes something to a node in turn until steady is called.
func (c *Cluster) flicker(n *lab.Node, period time.Duration, do, undo func() error) error {
	if err := do(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- alternate(ctx, period, undo, do) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flickers[n.Name()] = func() error {
		cancel()
		return errors.Join(<-ended, undo())
	}
	return nil
}

func alternate(ctx context.Context, period time.Duration, first, second func() error) error {
	for next, other := first, second; ; next, other = other, next {
		if sleep.For(ctx, period) != nil {
			return nil
		}
		if err := next(); err != nil {
			return err
		}
	}
}

// steady ends a flicker.
func (c *Cluster) steady(n *lab.Node) error {
	c.mu.Lock()
	end := c.flickers[n.Name()]
	delete(c.flickers, n.Name())
	c.mu.Unlock()
	return end()
}

// cutPower ends all processes of a node, and its disk loses what was not synced. What
// the node has said stays: it is there for people.
func (c *Cluster) cutPower(ctx context.Context, n *lab.Node) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	said, err := os.ReadFile(n.LogFile())
	if err != nil {
		return err
	}
	if err := c.disks.lose(ctx, n.Name()); err != nil {
		return err
	}
	return os.WriteFile(n.LogFile(), said, 0o600)
}

// copyLogs keeps what the nodes have said.
func (c *Cluster) copyLogs(to string) error {
	var errs []error
	for _, node := range c.Lab.Nodes() {
		data, err := os.ReadFile(node.LogFile())
		if err == nil {
			err = os.WriteFile(filepath.Join(to, node.Name()+".log"), data, 0o600)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
