package node

import (
	"net/http"

	"github.com/orc-project/orc/server/image"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/server/session"
)

// api answers users.
func (n *process) api(dispatcher *session.Dispatcher, others *managers.Managers) http.Handler {
	return rest.New(rest.Config{
		Store: n.database.store, Dispatcher: dispatcher, Managers: others, Resolver: &image.Resolver{}, Snapshots: n.database.snapshots,
		Node: n.identity.ID, Log: n.log,
	})
}
