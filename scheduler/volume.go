package scheduler

import (
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// remoteTypes are the file systems whose data is the same from every node.
var remoteTypes = []string{"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p"}

// LocalVolumes are the named volumes of a spec whose data is on one node, sorted.
func LocalVolumes(snapshot *store.Snapshot, spec *api.ServiceSpec) []string {
	var names []string
	for _, mount := range spec.Container.Mounts {
		if mount.Type != api.MountVolume || mount.Source == "" || slices.Contains(remoteTypes, mount.Options["type"]) {
			continue
		}
		declared := store.First[api.Volume](snapshot, store.ByName, mount.Source)
		if declared != nil && slices.Contains(remoteTypes, declared.Spec.Options["type"]) {
			continue
		}
		names = append(names, mount.Source)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// home returns the node that a task's volume data ties it to, or why it must wait
// for that node. Both are empty for a task that may go anywhere.
//
// A slot goes back to where its last task was. A slot without a past goes where
// the data is: it must when the service has one replica; with several it takes a
// node of its own as long as there is one.
func (p *pass) home(m *member, d *demand) (*node, string) {
	if len(d.volumes) == 0 {
		return nil, ""
	}
	if at := p.lastNode(m); at != nil {
		if verdict := d.judge(at); verdict != fits {
			return nil, fmt.Sprintf("its volume %s is on node %s, which %s", d.volumes[0], at.Name, phrases[verdict][0])
		}
		return at, ""
	}
	alone := p.service.Replicas == 1
	var refused *node
	var best *node
	for _, n := range p.nodes.sorted {
		if !n.hasVolumes(d.volumes) || !alone && n.count > 0 {
			continue
		}
		switch {
		case d.judge(n) != fits:
			if refused == nil {
				refused = n
			}
		case best == nil || n.tasks < best.tasks:
			best = n
		}
	}
	if best != nil || refused == nil || !alone {
		return best, ""
	}
	return nil, fmt.Sprintf("its volume %s is on node %s, which %s", d.volumes[0], refused.Name, phrases[d.judge(refused)][0])
}

// lastNode is where the slot's newest task was that had a node which is still in
// the cluster, and mounted a volume there.
func (p *pass) lastNode(m *member) *node {
	for _, other := range slices.Backward(p.members) {
		if other == m || other.task.Slot != m.task.Slot || other.task.Node == "" {
			continue
		}
		if n := p.nodes.byID[other.task.Node]; n != nil && other.state() != api.TaskRejected {
			if d := p.demand(p.id, other.task.Revision); d != nil && len(d.volumes) > 0 {
				return n
			}
		}
	}
	return nil
}

// hasVolumes says whether the node has all of the volumes, or has tasks that make
// them.
func (n *node) hasVolumes(names []string) bool {
	has := n.info().Volumes
	return !slices.ContainsFunc(names, func(name string) bool {
		return n.volumes[name] == 0 && !slices.Contains(has, name)
	})
}
