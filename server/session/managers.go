package session

import (
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// Managers are the addresses (host:port) of all managers' APIs, in the order of
// their IDs.
func Managers(snapshot *store.Snapshot) []string {
	var addresses []string
	for node := range store.All[api.Node](snapshot) {
		if address := managerAddress(node); address != "" {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

func managerAddress(node *api.Node) string {
	if node == nil || node.Role != api.RoleManager {
		return ""
	}
	return node.API
}
