package network

import (
	"net/netip"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Owned are those of a task's addresses, by network, that its node may give it: out of
// the node's own block of a network that the task is on. What a node says goes into all
// others' packet rules, and there it must not draw connections to somewhere else.
//
// snapshot has to be as new as what the node goes by.
func Owned(snapshot *store.Snapshot, task *api.Task, addresses map[string]netip.Addr) map[string]netip.Addr {
	var attachments []api.NetworkAttachment
	if revision := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision)); revision != nil && len(addresses) > 0 {
		attachments = revision.Spec.Attachments()
	}
	owned := make(map[string]netip.Addr, len(attachments))
	for _, attachment := range attachments {
		address, given := addresses[attachment.Network]
		block := store.Get[api.Block](snapshot, api.BlockID(attachment.Network, task.Node))
		if given && block != nil && slices.ContainsFunc(block.Prefixes, func(p netip.Prefix) bool { return p.Contains(address) }) {
			owned[attachment.Network] = address
		}
	}
	return owned
}
