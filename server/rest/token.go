package rest

import (
	"fmt"
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
)

func roleOf(r *http.Request) (api.Role, error) {
	switch role := api.Role(r.PathValue("role")); role {
	case api.RoleManager, api.RoleWorker:
		return role, nil
	default:
		return "", api.Invalidf("role %q: use manager or worker", role)
	}
}

func (a *API) token(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	return a.replyToken(w, a.store.Snapshot(), role)
}

func (a *API) replyToken(w http.ResponseWriter, s *store.Snapshot, role api.Role) error {
	cluster, err := clusterOf(s)
	if err != nil {
		return err
	}
	token, err := ca.TokenFor(cluster, role)
	if err != nil {
		return err
	}
	program := "agent"
	if role == api.RoleManager {
		program = "server"
	}
	return reply(w, api.JoinToken{
		Role: role, Token: token.String(), Command: fmt.Sprintf("orc %s --join %s --token %s", program, a.address(s), token),
	})
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

func (a *API) rotateToken(w http.ResponseWriter, r *http.Request) error {
	role, err := roleOf(r)
	if err != nil {
		return err
	}
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		cluster, err := clusterOf(d.Snapshot())
		if err != nil {
			return err
		}
		after := *cluster
		ca.NewTokens(&after, role)
		d.Put(cluster, &after)
		return nil
	})
	if err != nil {
		return err
	}
	return a.replyToken(w, snapshot, role)
}
