package network

import (
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// newIngress is the network that every cluster has. The leader makes it as soon as a
// node has told what it reaches by itself.
func newIngress() *api.Network {
	network := &api.Network{Name: api.IngressID, Spec: api.NetworkSpec{Name: api.IngressID}}
	network.ID = api.IngressID
	return network
}

func anybodySeen(snapshot *store.Snapshot) bool {
	for status := range store.All[api.NodeStatus](snapshot) {
		if status.State != api.NodeUnknown {
			return true
		}
	}
	return false
}

// Ready refuses services that need the ingress network when there is none and none
// can be made.
func (l *Ledger) Ready(wishes []Wish) error {
	needed := slices.ContainsFunc(wishes, func(w Wish) bool {
		return w.Spec != nil && slices.ContainsFunc(w.Spec.Attachments(), func(a api.NetworkAttachment) bool { return a.Network == api.IngressID })
	})
	if !needed || !anybodySeen(l.snapshot) || store.Get[api.Network](l.snapshot, api.IngressID) != nil {
		return nil
	}
	return Open(l.snapshot).AddNetwork(newIngress())
}
