package network

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Holds are the networks on which a task has an address of its node's, or will have
// one: those of its revision, from when it is placed until it has ended. task may be
// nil.
func Holds(snapshot *store.Snapshot, task *api.Task) []string {
	if task == nil || task.Node == "" {
		return nil
	}
	if status := store.Get[api.TaskStatus](snapshot, task.ID); status != nil && status.State.Terminal() {
		return nil
	}
	revision := store.Get[api.Revision](snapshot, api.RevisionID(task.Service, task.Revision))
	if revision == nil {
		return nil
	}
	attachments := revision.Spec.Attachments()
	networks := make([]string, len(attachments))
	for i, attachment := range attachments {
		networks[i] = attachment.Network
	}
	return networks
}
