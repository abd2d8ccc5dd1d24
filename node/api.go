package node

import (
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/session"
)

func (n *process) api(*session.Dispatcher) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session.Refuse(w, api.NotFoundf("%s %s: no such thing in the API", r.Method, r.URL.Path))
	})
}
