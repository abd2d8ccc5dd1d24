package rest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/managers"
)

// others stand for the cluster's managers.
type others struct {
	needed  error  // why none may leave
	last    string // whom not even force does without
	left    []string
	entered map[string]api.MemberRequest
	apart   time.Duration
	splits  []managers.Split
	found   []api.Finding
}

func (o *others) Splits() []managers.Split { return o.splits }

func (o *others) Findings() []api.Finding { return o.found }

func (o *others) Apart() time.Duration { return o.apart }

func (o *others) State(node *api.Node, leader string) api.ManagerState {
	switch {
	case node.Role != api.RoleManager:
		return ""
	case node.ID == leader:
		return api.ManagerLeader
	}
	return api.ManagerReachable
}

func (o *others) Enter(_ context.Context, node string, request api.MemberRequest) (api.MemberAnswer, error) {
	o.entered = map[string]api.MemberRequest{node: request}
	return api.MemberAnswer{Ring: []byte("keys"), Peers: map[string]string{node: request.Peer}}, nil
}

func (o *others) MayLeave(_ context.Context, node *api.Node, force bool) error {
	if force && node.Name != o.last {
		return nil
	}
	return o.needed
}

func (o *others) Leave(_ context.Context, node *api.Node, force bool) error {
	o.left = append(o.left, fmt.Sprint(node.ID, " ", force))
	return nil
}

func TestRolesChange(t *testing.T) {
	m := newManager(t)
	manager, worker, king := api.RoleManager, api.RoleWorker, api.Role("king")
	view, err := m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{Role: &manager})
	require.NoError(t, err)
	require.Equal(t, manager, view.Role)
	_, err = m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{Role: &king})
	requireCode(t, api.CodeInvalid, err, "king")

	m.others.needed = api.Conflictf("it is needed")
	_, err = m.client.UpdateNode(m.ctx, "n1", api.NodeUpdate{Role: &worker})
	requireCode(t, api.CodeConflict, err, "it is needed")
	err = m.client.RemoveNode(m.ctx, "n1", true)
	requireCode(t, api.CodeConflict, err, "it is needed")
	m.others.last = "n1"
	_, err = m.client.UpdateNode(m.ctx, "n1", api.NodeUpdate{Role: &worker, Force: true})
	requireCode(t, api.CodeConflict, err, "it is needed")
	m.others.last = ""
	require.Empty(t, m.others.left)
	view, err = m.client.UpdateNode(m.ctx, "n1", api.NodeUpdate{Role: &worker, Force: true})
	require.NoError(t, err)
	require.Equal(t, worker, view.Role)
	require.Empty(t, view.API)
	require.Equal(t, []string{"n1id true"}, m.others.left)

	m.others.needed = nil
	err = m.client.RemoveNode(m.ctx, "n2", false)
	requireCode(t, api.CodeConflict, err, "n2 is up")
	require.NoError(t, m.client.RemoveNode(m.ctx, "n2", true))
	require.Equal(t, []string{"n1id true", "n2id false"}, m.others.left)

	m.put(&api.Node{Meta: api.Meta{ID: "n3id"}, Name: "n3", Role: api.RoleManager, API: "10.0.0.3:6720", Number: 3})
	_, err = m.client.UpdateNode(m.ctx, "n3", api.NodeUpdate{Role: &worker})
	requireCode(t, api.CodeInvalid, err, "--no-agent")
}
