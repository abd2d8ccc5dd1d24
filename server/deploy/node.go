package deploy

import (
	"cmp"
	"maps"
	"math"
	"regexp"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var labelName = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_./a-zA-Z0-9]*[a-zA-Z0-9])?$`)

// UpdateNode drafts what an operator changes of a node.
func (d *Draft) UpdateNode(node *api.Node, update api.NodeUpdate) error {
	after := *node
	after.Labels = maps.Clone(node.Labels)
	if update.Name != nil {
		if err := api.ValidateName("node", *update.Name); err != nil {
			return err
		}
		after.Name = *update.Name
	}
	if update.Role != nil {
		if err := d.changeRole(node, &after, *update.Role); err != nil {
			return err
		}
	}
	if update.Availability != nil {
		switch *update.Availability {
		case api.AvailabilityActive, api.AvailabilityPause, api.AvailabilityDrain:
			after.Availability = *update.Availability
		default:
			return api.Invalidf("availability %q: use active, pause or drain", *update.Availability)
		}
	}
	for _, label := range update.LabelsRemove {
		if _, found := after.Labels[label]; !found {
			return api.NotFoundf("node %s has no label %s", node.Name, label)
		}
		delete(after.Labels, label)
	}
	if after.Labels == nil && len(update.LabelsAdd) > 0 {
		after.Labels = make(map[string]string)
	}
	maps.Copy(after.Labels, update.LabelsAdd)
	if err := validateLabels(update.LabelsAdd); err != nil {
		return err
	}
	if !api.EqualSpec(node, &after) {
		d.update(node, &after)
	}
	return nil
}

// changeRole drafts a promotion or a demotion, on the condition that meanwhile
// nobody changes who is a manager: two at once could cost the quorum that one of
// them would not.
func (d *Draft) changeRole(before, after *api.Node, role api.Role) error {
	switch {
	case role != api.RoleManager && role != api.RoleWorker:
		return api.Invalidf("role %q: use manager or worker", role)
	case role == before.Role:
		return nil
	case role == api.RoleWorker && !before.Runs:
		return api.Invalidf("node %s runs no containers (--no-agent), so it is nothing but a manager: remove it with `orc node rm`", before.Name)
	case role == api.RoleWorker:
		// API stays: until its database is gone, others ask it whether it is there.
		after.Member = 0
	}
	after.Role, after.KeyStep = role, 0
	after.Term++
	d.requireManagers(before)
	d.ban(before.ID, func(cluster *api.Cluster) {
		if _, banned := cluster.Banned[before.ID]; role == api.RoleWorker {
			cluster.BanTerm(before.ID, before.Term, d.now)
		} else if banned {
			cluster.Unban(before.ID)
		}
	})
	return nil
}

// ban changes of a node whether its certificates that say manager are to be believed.
func (d *Draft) ban(node string, change func(*api.Cluster)) {
	cluster := store.Get[api.Cluster](d.snapshot, api.ClusterID)
	if cluster == nil {
		return
	}
	after := *cluster
	if change(&after); !api.EqualSpec(*cluster, after) {
		d.update(cluster, &after)
	}
}

func (d *Draft) requireManagers(but *api.Node) {
	for node := range store.All[api.Node](d.snapshot) {
		if node.Role == api.RoleManager && node.ID != but.ID {
			d.require(node)
		}
	}
}

func validateLabels(labels map[string]string) error {
	for name := range labels {
		if !labelName.MatchString(name) {
			return api.Invalidf("node label %q: use letters, digits, '-', '_', '.' and '/', with a letter or digit at both ends", name)
		}
	}
	return nil
}

// RemoveNode drafts a node's end. Its tasks are the leader's to replace.
func (d *Draft) RemoveNode(node *api.Node, force bool) error {
	status := store.Get[api.NodeStatus](d.snapshot, node.ID)
	if node.Role == api.RoleManager {
		d.requireManagers(node)
		d.ban(node.ID, func(cluster *api.Cluster) { cluster.Ban(node.ID, d.now) })
	}
	switch {
	case status != nil && status.State == api.NodeReady && !force:
		return api.Conflictf("node %s is up: drain it (`orc node update --availability drain %s`) and stop orc on it first, or use --force", node.Name, node.Name)
	}
	d.remove(node)
	if status == nil { // a first one that is on its way would stay behind
		d.require(&api.NodeStatus{Meta: api.Meta{ID: node.ID}})
		return nil
	}
	d.remove(status)
	return nil
}

// AddNode drafts a new node; Number, the times and, if it has none, the ID are
// given here. after is a copy of the cluster with what else the node's coming
// changes of it.
func (d *Draft) AddNode(node *api.Node, cluster, after *api.Cluster) error {
	if err := api.ValidateName("node", node.Name); err != nil {
		return err
	}
	if err := validateLabels(node.Labels); err != nil {
		return err
	}
	number, err := d.freeNumber(cluster.LastNumber)
	if err != nil {
		return err
	}
	node.ID, node.Number, node.Availability = cmp.Or(node.ID, d.newID()), number, api.AvailabilityActive
	d.create(node)
	after.LastNumber = number
	d.update(cluster, after)
	return nil
}

// freeNumber is the next number that no node has, beginning again after the last.
func (d *Draft) freeNumber(last uint16) (uint16, error) {
	taken := make(map[uint16]bool)
	for node := range store.All[api.Node](d.snapshot) {
		taken[node.Number] = true
	}
	for range math.MaxUint16 {
		if last++; last != 0 && !taken[last] {
			return last, nil
		}
	}
	return 0, api.Conflictf("the cluster is full: it has %d nodes", len(taken))
}
