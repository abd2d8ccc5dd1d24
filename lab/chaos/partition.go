package chaos

import (
	"context"
	"slices"

	"github.com/orc-project/orc/lab"
)

// lost is how many of a hundred frames a bad link loses.
const lost = 30

// minority are a manager's own side of a split: as many managers as a cluster can do
// without, counted round from it, and every other worker.
func minority(managers, workers []string, chosen string) []string {
	first := slices.Index(managers, chosen)
	var side []string
	for i := range max(1, (len(managers)-1)/2) {
		side = append(side, managers[(first+i)%len(managers)])
	}
	for i, worker := range workers {
		if i%2 == first%2 {
			side = append(side, worker)
		}
	}
	return side
}

// side are the nodes of a split's minority.
func side(c *Cluster, n *lab.Node) []*lab.Node {
	var managers, workers []string
	for _, node := range c.Lab.Nodes() {
		if node.Manager() {
			managers = append(managers, node.Name())
		} else {
			workers = append(workers, node.Name())
		}
	}
	in := minority(managers, workers, n.Name())
	return slices.DeleteFunc(c.Lab.Nodes(), func(node *lab.Node) bool { return !slices.Contains(in, node.Name()) })
}

// besides are the others of the side.
func besides(c *Cluster, n *lab.Node) []*lab.Node {
	return slices.DeleteFunc(side(c, n), func(node *lab.Node) bool { return node.Name() == n.Name() })
}

// split parts the nodes into two sides that hear nothing of each other, while all on
// one side do.
func split(_ context.Context, c *Cluster, n *lab.Node) error {
	here := side(c, n)
	var drops []lab.Drop
	for _, near := range here {
		for _, far := range c.Lab.Nodes() {
			if !slices.ContainsFunc(here, func(node *lab.Node) bool { return node.Name() == far.Name() }) {
				drops = append(drops, lab.Drop{From: near.Name(), To: far.Name()}, lab.Drop{From: far.Name(), To: near.Name()})
			}
		}
	}
	return c.Lab.Filter("split-"+n.Name(), drops...)
}

// filter begins a fault of a node's link, unfilter ends it.
func filter(name string, drops func(node string) []lab.Drop) func(context.Context, *Cluster, *lab.Node) error {
	return func(_ context.Context, c *Cluster, n *lab.Node) error {
		return c.Lab.Filter(name+"-"+n.Name(), drops(n.Name())...)
	}
}

func unfilter(name string) func(context.Context, *Cluster, *lab.Node) error {
	return func(_ context.Context, c *Cluster, n *lab.Node) error { return c.Lab.Unfilter(name + "-" + n.Name()) }
}
