package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// verdict says why a node does not fit, or that it does.
type verdict int

// The verdicts, in the order in which they are explained.
const (
	fits verdict = iota
	noSession
	neverSeen
	noAgent
	paused
	drained
	unmatched
	platform
	lacksCPU
	lacksMemory
	lacksPids
	lacksGeneric
	portTaken
	full
	verdicts
)

// phrases say a verdict of one node and of several.
var phrases = [verdicts][2]string{
	noSession:    {"is down", "are down"},
	neverSeen:    {"has not come up yet", "have not come up yet"},
	noAgent:      {"runs no containers", "run no containers"},
	paused:       {"is paused", "are paused"},
	drained:      {"is drained", "are drained"},
	unmatched:    {"does not meet the constraints", "do not meet the constraints"},
	platform:     {"has another platform", "have another platform"},
	lacksCPU:     {"lacks cpu", "lack cpu"},
	lacksMemory:  {"lacks memory", "lack memory"},
	lacksPids:    {"lacks pids", "lack pids"},
	lacksGeneric: {"lacks generic resources", "lack generic resources"},
	portTaken:    {"has the host port taken", "have the host port taken"},
	full:         {"has as many tasks of it as it may", "have as many tasks of it as they may"},
}

// mayHost judges a node by what does not depend on its load: whether a task that
// is there may stay.
func (d *demand) mayHost(n *node) verdict {
	if !n.Runs {
		return noAgent
	}
	if n.Availability == api.AvailabilityDrain {
		return drained
	}
	return d.matches(n)
}

// matches judges a node by what it is.
func (d *demand) matches(n *node) verdict {
	info := n.info()
	for _, constraint := range d.constraints {
		if !constraint.Match(n.Node, info) {
			return unmatched
		}
	}
	if n.status != nil && len(d.platforms) > 0 && !slices.ContainsFunc(d.platforms, func(p api.Platform) bool { return compatible(p, info.Platform) }) {
		return platform
	}
	return fits
}

// mayTake judges whether a node takes new tasks, its load apart.
func (d *demand) mayTake(n *node) verdict {
	if n.status == nil || n.status.State == api.NodeUnknown {
		return neverSeen
	}
	if !n.ready() {
		return noSession
	}
	if n.Availability == api.AvailabilityPause {
		return paused
	}
	return d.mayHost(n)
}

// room judges whether a node has room for one more task.
func (d *demand) room(n *node) verdict {
	capacity := &n.status.Info.Capacity
	switch {
	case d.reserved.NanoCPUs > 0 && n.cpu+d.reserved.NanoCPUs > capacity.NanoCPUs:
		return lacksCPU
	case d.reserved.Memory > 0 && n.memory+d.reserved.Memory > capacity.Memory:
		return lacksMemory
	case d.reserved.Pids > 0 && capacity.Pids > 0 && n.pids+d.reserved.Pids > capacity.Pids:
		return lacksPids
	case d.maxPerNode > 0 && n.count+n.going >= d.maxPerNode:
		return full
	}
	for name, amount := range d.reserved.Generic {
		if n.generic[name]+amount > capacity.Generic[name] {
			return lacksGeneric
		}
	}
	for _, each := range d.ports {
		if n.taken(each) {
			return portTaken
		}
	}
	return fits
}

func compatible(image, host api.Platform) bool {
	return (image.OS == "" || image.OS == host.OS) && (image.Arch == "" || image.Arch == host.Arch)
}

// judge is mayTake and room together.
func (d *demand) judge(n *node) verdict {
	if v := d.mayTake(n); v != fits {
		return v
	}
	return d.room(n)
}

const noNodeFits = "no node fits"

// namedNodes is how many nodes of one verdict are named; more are only counted.
const namedNodes = 3

// explain says why no node fits: "no node fits: n2 and n3 lack memory, n1 is
// drained", and of many nodes "12 lack memory".
func (d *demand) explain(nodes []*node) string {
	var counts [verdicts]int
	var names [verdicts][]string
	for _, n := range nodes {
		v := d.judge(n)
		counts[v]++
		if counts[v] <= namedNodes {
			names[v] = append(names[v], n.Name)
		}
	}
	var parts []string
	for v := noSession; v < verdicts; v++ {
		switch count := counts[v]; {
		case count == 1:
			parts = append(parts, names[v][0]+" "+phrases[v][0])
		case count > namedNodes:
			parts = append(parts, fmt.Sprintf("%d %s", count, phrases[v][1]))
		case count > 1:
			parts = append(parts, strings.Join(names[v][:count-1], ", ")+" and "+names[v][count-1]+" "+phrases[v][1])
		}
	}
	if len(parts) == 0 {
		return noNodeFits + ": the cluster has none"
	}
	return noNodeFits + ": " + strings.Join(parts, ", ")
}
