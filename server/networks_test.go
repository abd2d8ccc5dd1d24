package server

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/memory"
)

// TestNodesGetBlocksWhileUsersTakeAddresses: both take of one subnet at once.
func TestNodesGetBlocksWhileUsersTakeAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer s.Close()
		_, stop := lead(t, s, 0, nil)
		defer stop()
		front := commit(t, s, func(d *deploy.Draft) (*api.Network, error) { return d.CreateNetwork(api.NetworkSpec{Name: "front"}) })
		var group sync.WaitGroup
		const each = 40
		for i := range each {
			group.Go(func() {
				service := commit(t, s, func(d *deploy.Draft) (*api.Service, error) {
					return d.CreateService(api.ServiceSpec{
						Name: fmt.Sprint("s", i), Container: api.ContainerSpec{Image: "web:1"},
						Networks: []api.NetworkAttachment{{Network: "front"}},
					})
				})
				node := fmt.Sprintf("node%d", i)
				tx := &store.Tx{}
				tx.Set(&api.Node{Meta: api.Meta{ID: node}, Name: node, Runs: true})
				tx.Set(&api.NodeStatus{Meta: api.Meta{ID: node}, State: api.NodeReady})
				tx.Set(&api.Task{Meta: api.Meta{ID: "task" + node}, Service: service.ID, Revision: 1, Node: node, Desired: api.DesiredRun})
				_, err := s.Commit(context.Background(), tx)
				require.NoError(t, err)
			})
		}
		group.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()

		snapshot := s.Snapshot()
		require.NotNil(t, store.Get[api.Network](snapshot, api.IngressID), "every cluster has it")
		var taken []netip.Prefix
		owners := make(map[string][]netip.Prefix)
		for block := range store.Find[api.Block](snapshot, store.ByNetwork, front.ID) {
			for _, prefix := range block.Prefixes {
				for _, other := range taken {
					require.False(t, other.Overlaps(prefix))
				}
				taken = append(taken, prefix)
			}
			owners[block.Node] = block.Prefixes
		}
		require.Len(t, owners, each+1)
		seen := make(map[netip.Addr]bool)
		for endpoint := range store.All[api.Endpoint](snapshot) {
			at := endpoint.Virtual[front.ID]
			require.False(t, seen[at])
			seen[at] = true
			inside := false
			for _, prefix := range owners[""] {
				inside = inside || prefix.Contains(at)
			}
			require.True(t, inside, "%s is no node's", at)
		}
		require.Len(t, seen, each)
	})
}

func commit[T any](t *testing.T, s store.Store, decide func(*deploy.Draft) (*T, error)) *T {
	var made *T
	_, _, err := deploy.Commit(context.Background(), s, func(d *deploy.Draft) (err error) {
		made, err = decide(d)
		return err
	})
	require.NoError(t, err)
	return made
}
