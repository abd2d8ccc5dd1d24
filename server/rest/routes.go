package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
)

// Route is one entry of the API.
type Route struct {
	Method string
	Path   string // as http.ServeMux has it
	Access Access
	Does   string // for the documentation
	// limit of the body in bytes; 0 is smallBody.
	limit   int64
	handler func(*API, http.ResponseWriter, *http.Request) error
}

// Access says who may use a route.
type Access string

// The accesses.
const (
	// Anybody: also who has no certificate yet.
	Anybody Access = "anybody"
	// Nodes: by a node's certificate.
	Nodes Access = "nodes"
	// OtherManagers: by a manager's certificate.
	OtherManagers Access = "managers"
	// Users: the socket on the host, a client's certificate, and managers.
	Users Access = "users"
)

func (a Access) check(ctx context.Context) error {
	switch a {
	case Anybody:
		return nil
	case Nodes:
		return ca.Require(ctx, ca.RoleWorker, ca.RoleManager)
	case OtherManagers:
		return ca.Require(ctx, ca.RoleManager)
	}
	return ca.Require(ctx, ca.RoleLocal, ca.RoleClient, ca.RoleManager)
}

// Routes lists the API, in the order of the documentation. What nodes alone speak
// (sessions and their streams) is package session's.
func Routes() []Route { return slices.Clone(routes) }

// routes is filled in by init, for handlers refer to it.
var routes []Route

func init() {
	routes = slices.Concat(
		clusterRoutes, caRoutes, tokenRoutes, keyRoutes, snapshotRoutes, nodeRoutes, appRoutes, serviceRoutes, taskRoutes, watchRoutes, doctorRoutes, imageRoutes, networkRoutes, volumeRoutes,
		diskRoutes,
		fileRoutes(api.KindSecret), fileRoutes(api.KindConfig),
	)
}
