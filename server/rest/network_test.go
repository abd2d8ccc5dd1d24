package rest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestNetworksHaveSubnetsAndArePruned(t *testing.T) {
	m := newManager(t)
	used, err := m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "used"})
	require.NoError(t, err)
	require.True(t, used.Subnet.IsValid())
	_, err = m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "idle", Subnet: "10.99.0.0/24"})
	require.NoError(t, err)
	_, err = m.client.CreateNetwork(m.ctx, api.NetworkSpec{Name: "clash", Subnet: "10.99.0.0/16"})
	requireCode(t, api.CodeConflict, err, "overlaps network idle")

	answer, err := m.client.CreateService(m.ctx, api.ServiceCreate{NoResolve: true, Spec: api.ServiceSpec{
		Name: "web", Container: api.ContainerSpec{Image: "web:1"}, Networks: []api.NetworkAttachment{{Network: "used"}},
		Ports: []api.Port{{Protocol: "tcp", Target: 80, Mode: "ingress"}},
	}})
	require.NoError(t, err)
	require.EqualValues(t, api.MinAutomaticPort, answer.Service.Ports[0].Published)
	require.Zero(t, answer.Service.Spec.Ports[0].Published, "what was asked for stays what it was")
	require.Equal(t, "used", answer.Service.Addresses[0].Network)
	view, err := m.client.Network(m.ctx, "used")
	require.NoError(t, err)
	require.Equal(t, answer.Service.Addresses[0].Address, view.Services[0].Virtual)

	for _, dry := range []bool{true, false} {
		pruned, err := m.client.PruneNetworks(m.ctx, api.NetworkPrune{DryRun: dry})
		require.NoError(t, err)
		require.Len(t, pruned, 1)
		require.Equal(t, "idle", pruned[0].Name)
	}
	left, err := m.client.Networks(m.ctx)
	require.NoError(t, err)
	require.Len(t, left, 1)
}
