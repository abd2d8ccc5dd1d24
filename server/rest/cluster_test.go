package rest

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

func TestTheClusterIsShownWithoutItsKey(t *testing.T) {
	m := newManager(t)
	view, err := m.client.Cluster(m.ctx)
	require.NoError(t, err)
	require.Equal(t, "cluster1", view.Identity)
	require.Equal(t, []string{"10.0.0.1:6720"}, view.Managers)
	answer, err := m.client.Version(m.ctx)
	require.NoError(t, err)
	require.NotEmpty(t, answer.Version)

	view, err = m.client.UpdateCluster(m.ctx, api.Settings{NodeTimeout: api.Duration(4 * time.Second)})
	require.NoError(t, err)
	require.Equal(t, "4s", view.Settings.NodeTimeout.String())
	_, err = m.client.UpdateCluster(m.ctx, api.Settings{CertLifetime: api.Duration(time.Minute)})
	requireCode(t, api.CodeInvalid, err, "the least is 1h")
}

// joinRequest is of a node that made a key.
func joinRequest(t *testing.T, token string, role api.Role) api.JoinRequest {
	t.Helper()
	parsed, err := api.ParseToken(token)
	require.NoError(t, err)
	request, _, err := ca.NewRequest()
	require.NoError(t, err)
	return api.JoinRequest{Secret: parsed.Secret, Request: request, Role: role, Name: "n3", Runs: true, Labels: map[string]string{"zone": "a"}}
}

func TestANodeJoinsByItsTokenAndRenews(t *testing.T) {
	m := newManager(t)
	token, err := m.client.Token(m.ctx, api.RoleWorker)
	require.NoError(t, err)
	require.Equal(t, "orc agent --join 10.0.0.1:6720 --token "+token.Token, token.Command)
	answer, err := m.client.Join(m.ctx, joinRequest(t, token.Token, api.RoleWorker))
	require.NoError(t, err)
	require.Equal(t, uint16(3), answer.Node.Number)
	require.Equal(t, api.RoleWorker, answer.Node.Role)
	require.Equal(t, "a", answer.Node.Labels["zone"])
	require.Equal(t, []string{"10.0.0.1:6720"}, answer.Managers)
	block, _ := pem.Decode(answer.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, answer.Node.ID, certificate.Subject.CommonName)
	require.Equal(t, []string{"worker"}, certificate.Subject.OrganizationalUnit)
	stored := store.Get[api.Node](m.store.Snapshot(), answer.Node.ID)
	require.Equal(t, api.AvailabilityActive, stored.Availability)
	next, err := m.client.Join(m.ctx, joinRequest(t, token.Token, api.RoleWorker))
	require.NoError(t, err)
	require.Equal(t, uint16(4), next.Node.Number, "names may repeat, numbers may not")

	request, _, err := ca.NewRequest()
	require.NoError(t, err)
	renewal := httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{ID: answer.Node.ID, Role: ca.RoleWorker}), http.MethodPost, "/v1/renew",
		strings.NewReader(`{"request": "`+base64Of(string(request))+`"}`))
	renewed := httptest.NewRecorder()
	m.api.ServeHTTP(renewed, renewal)
	require.Equal(t, http.StatusOK, renewed.Code, renewed.Body.String())
	require.NoError(t, m.client.RemoveNode(m.ctx, answer.Node.ID, true))
	renewed = httptest.NewRecorder()
	m.api.ServeHTTP(renewed, renewal.Clone(renewal.Context()))
	require.NotEqual(t, http.StatusOK, renewed.Code, "it was removed")
}

func TestWithoutAQuorumACertificateIsRenewedAndNobodyToldWhatItIs(t *testing.T) {
	m := newManager(t)
	request, _, err := ca.NewRequest()
	require.NoError(t, err)
	renew := func(query string) int {
		renewed := httptest.NewRecorder()
		m.api.ServeHTTP(renewed, httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{ID: "n2id", Role: ca.RoleWorker}), http.MethodPost, "/v1/renew"+query,
			strings.NewReader(`{"request": "`+base64Of(string(request))+`"}`)))
		return renewed.Code
	}
	require.Equal(t, http.StatusOK, renew("?sure=1"))
	m.others.apart = 5 * time.Second
	require.Equal(t, http.StatusOK, renew(""))
	require.Equal(t, http.StatusServiceUnavailable, renew("?sure=1"))
}

func TestWhoeverHasNoRightTokenDoesNotJoin(t *testing.T) {
	m := newManager(t)
	worker, err := m.client.Token(m.ctx, api.RoleWorker)
	require.NoError(t, err)
	manager, err := m.client.Token(m.ctx, api.RoleManager)
	require.NoError(t, err)
	rotated, err := m.client.RotateToken(m.ctx, api.RoleWorker)
	require.NoError(t, err)
	require.NotEqual(t, worker.Token, rotated.Token)
	nodes := store.Count[api.Node](m.store.Snapshot())

	for name, test := range map[string]struct {
		request api.JoinRequest
		code    api.Code
		words   string
	}{
		"a token that was rotated":  {joinRequest(t, worker.Token, api.RoleWorker), api.CodeUnauthorized, "rotated"},
		"a token of another role":   {joinRequest(t, manager.Token, api.RoleWorker), api.CodeUnauthorized, "token of a manager"},
		"a manager without address": {joinRequest(t, manager.Token, api.RoleManager), api.CodeInvalid, "--advertise"},
		"no certificate request": {func() api.JoinRequest {
			request := joinRequest(t, rotated.Token, api.RoleWorker)
			request.Request = []byte("hello")
			return request
		}(), api.CodeInvalid, "certificate request"},
		"a bad name": {func() api.JoinRequest {
			request := joinRequest(t, rotated.Token, api.RoleWorker)
			request.Name = "no way"
			return request
		}(), api.CodeInvalid, "no way"},
	} {
		_, err := m.client.Join(m.ctx, test.request)
		requireCode(t, test.code, err, test.words)
		require.Equal(t, nodes, store.Count[api.Node](m.store.Snapshot()), name)
	}
	request := joinRequest(t, manager.Token, api.RoleManager)
	request.API = "10.0.0.3:6720"
	answer, err := m.client.Join(m.ctx, request)
	require.NoError(t, err)
	require.Contains(t, answer.Managers, "10.0.0.3:6720")
}

func TestAClientGetsAllThatItNeeds(t *testing.T) {
	m := newManager(t)
	bundle, err := m.client.CreateClient(m.ctx, "alice")
	require.NoError(t, err)
	credentials, err := ca.NewCredentials(bundle.Certificate, bundle.Key, bundle.Roots)
	require.NoError(t, err)
	require.Equal(t, ca.Peer{ID: "alice", Role: ca.RoleClient, Cluster: "cluster1"}, credentials.Peer())
	require.Equal(t, []string{"10.0.0.1:6720"}, bundle.Addresses)
	roots, err := m.client.CA(m.ctx)
	require.NoError(t, err)
	require.Equal(t, bundle.Roots, roots)
}

func TestNodesAreChangedAndRemoved(t *testing.T) {
	m := newManager(t)
	drain := api.AvailabilityDrain
	view, err := m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{Availability: &drain, LabelsAdd: map[string]string{"zone": "b", "disk": "ssd"}})
	require.NoError(t, err)
	require.Equal(t, api.AvailabilityDrain, view.Availability)
	view, err = m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{LabelsRemove: []string{"disk"}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"zone": "b"}, view.Labels)
	_, err = m.client.UpdateNode(m.ctx, "n2", api.NodeUpdate{LabelsRemove: []string{"disk"}})
	requireCode(t, api.CodeNotFound, err, "disk")
	_, err = m.client.Node(m.ctx, "n")
	requireCode(t, api.CodeConflict, err, "ambiguous", "n1id", "n2id")
	self, err := m.client.Node(m.ctx, "self")
	require.NoError(t, err)
	require.Equal(t, "n1", self.Name)

	m.put(&api.NodeStatus{Meta: api.Meta{ID: "n2id"}, State: api.NodeDown})
	require.NoError(t, m.client.RemoveNode(m.ctx, "n2", false))
	nodes, err := m.client.Nodes(m.ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Nil(t, store.Get[api.NodeStatus](m.store.Snapshot(), "n2id"))
}
