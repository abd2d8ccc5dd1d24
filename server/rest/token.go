package rest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

var tokenRoutes = []Route{
	{Method: "GET", Path: "/v1/tokens", Access: Users, Does: "the join tokens in force, without their secrets", handler: (*API).tokens},
	{Method: "POST", Path: "/v1/tokens", Access: Users, Does: "a join token that expires or has a number of uses; it is shown this once", handler: (*API).createToken},
	{Method: "DELETE", Path: "/v1/tokens/{ref}", Access: Users, Does: "make a join token void, by its ID", handler: (*API).removeToken},
	{Method: "GET", Path: "/v1/tokens/{role}", Access: Users, Does: "the standing join token of a role (manager, worker) and the command to join with", handler: (*API).token},
	{Method: "POST", Path: "/v1/tokens/{role}/rotate", Access: Users, Does: "a new standing join token for a role; the old one is void", handler: (*API).rotateToken},
}

func roleOf(r *http.Request) (api.Role, error) {
	switch role := api.Role(r.PathValue("role")); role {
	case api.RoleManager, api.RoleWorker:
		return role, nil
	default:
		return "", api.Invalidf("role %q: use manager or worker", role)
	}
}

func (a *API) tokens(w http.ResponseWriter, _ *http.Request) error {
	cluster, err := clusterOf(a.store.Snapshot())
	if err != nil {
		return err
	}
	return reply(w, ca.Tokens(cluster, time.Now()))
}

func (a *API) createToken(w http.ResponseWriter, r *http.Request) error {
	request, err := decode[api.TokenRequest](r)
	if err != nil {
		return err
	}
	var made api.JoinToken
	snapshot, err := a.changeCluster(r, func(cluster *api.Cluster) (err error) {
		made, err = ca.AddToken(cluster, request, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	return a.replyToken(w, snapshot, made)
}

func (a *API) removeToken(w http.ResponseWriter, r *http.Request) error {
	_, err := a.changeCluster(r, func(cluster *api.Cluster) error { return ca.RemoveToken(cluster, r.PathValue("ref")) })
	if err != nil {
		return err
	}
	return done(w)
}

func (a *API) token(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	return a.replyStanding(w, a.store.Snapshot(), role)
}

func (a *API) rotateToken(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	snapshot, err := a.changeCluster(r, func(cluster *api.Cluster) error {
		ca.RotateTokens(cluster, a.keys, time.Now(), role)
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyStanding(w, snapshot, role)
}

func (a *API) replyStanding(w http.ResponseWriter, s *store.Snapshot, role api.Role) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	token, err := ca.StandingToken(cluster, a.keys, role)
	if err != nil {
		return err
	}
	return a.replyToken(w, s, token)
}

// replyToken adds the command to join with.
func (a *API) replyToken(w http.ResponseWriter, s *store.Snapshot, token api.JoinToken) error {
	program := "agent"
	if token.Role == api.RoleManager {
		program = "server"
	}
	token.Command = fmt.Sprintf("orc %s --join %s --token %s", program, a.address(s), token.Token)
	return reply(w, token)
}

// address is where this manager is reached, or another one.
func (a *API) address(s *store.Snapshot) string {
	if node := store.Get[api.Node](s, a.node); node != nil && node.API != "" {
		return node.API
	}
	if managers := session.Managers(s); len(managers) > 0 {
		return managers[0]
	}
	return "MANAGER:6720"
}
