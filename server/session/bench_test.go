package session

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/memory"
	"github.com/orc-project/orc/store/seal"
)

// BenchmarkDeliver measures a task's way from the submit through the commit to
// its node's session: tasks of one service, spread over all nodes, in
// transactions of a thousand. On etcd every commit is on disk.
func BenchmarkDeliver(b *testing.B) {
	for _, nodes := range []int{100, 5000} {
		b.Run(fmt.Sprintf("memory/nodes=%d", nodes), func(b *testing.B) {
			s := memory.New()
			defer s.Close()
			deliver(b, s, nodes)
		})
		b.Run(fmt.Sprintf("etcd/nodes=%d", nodes), func(b *testing.B) {
			m := membertest.Start(b, membertest.Config(b))
			s, err := etcd.Open(b.Context(), etcd.Config{Client: m.Client(), Seat: m, Sealer: seal.NewRing(), Logger: zap.NewNop()})
			require.NoError(b, err)
			defer s.Close()
			deliver(b, s, nodes)
		})
	}
}

func deliver(b *testing.B, s store.Store, nodes int) {
	seed(b, s, nodes)
	ctx, cancel := context.WithCancel(b.Context())
	d := New(Config{Store: s, Node: "manager"}, zap.NewNop())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	require.Eventually(b, func() bool {
		_, err := d.enter()
		return err == nil
	}, time.Minute, time.Millisecond)
	d.wg.Done() // only asked
	var delivered atomic.Int64
	var sessions sync.WaitGroup
	var welcomed sync.WaitGroup
	welcomed.Add(nodes)
	for i := range nodes {
		sessions.Go(func() { simulate(d, nodeID(i), &delivered, welcomed.Done) })
	}
	welcomed.Wait()
	b.ResetTimer()
	submit(b, s, nodes)
	for delivered.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	cancel()
	<-ended
	sessions.Wait()
}

func nodeID(i int) string { return fmt.Sprintf("node%021d", i) }

func seed(b *testing.B, s store.Store, nodes int) {
	tx := &store.Tx{}
	tx.Set(&api.Cluster{Meta: api.Meta{ID: api.ClusterID}, Identity: "cluster1", Settings: api.Settings{NodeTimeout: api.Duration(time.Hour)}})
	tx.Set(&api.Service{Meta: api.Meta{ID: "service1"}, Name: "web"})
	tx.Set(&api.Revision{Meta: api.Meta{ID: "service1.1"}, Service: "service1", Number: 1, Spec: api.ServiceSpec{Name: "web"}})
	for i := range nodes {
		tx.Set(&api.Node{Meta: api.Meta{ID: nodeID(i)}, Name: nodeID(i), Role: api.RoleWorker})
		tx.Set(&api.NodeStatus{Meta: api.Meta{ID: nodeID(i)}, State: api.NodeDown})
		if tx.Len() > store.MaxOps/2 {
			_, err := s.Commit(b.Context(), tx)
			require.NoError(b, err)
			tx = &store.Tx{}
		}
	}
	revision, err := s.Commit(b.Context(), tx)
	require.NoError(b, err)
	_, err = s.WaitFor(b.Context(), revision)
	require.NoError(b, err)
}

func submit(b *testing.B, s store.Store, nodes int) {
	for at := 0; at < b.N; {
		tx := &store.Tx{}
		for ; at < b.N && tx.Len() < 1000; at++ {
			tx.Create(&api.Task{
				Meta: api.Meta{ID: api.NewID()}, Service: "service1", Revision: 1, Slot: at + 1,
				Node: nodeID(at % nodes), Desired: api.DesiredRun,
			})
		}
		_, err := s.Commit(b.Context(), tx)
		require.NoError(b, err)
	}
}

// simulate is a node that only counts the tasks it gets.
func simulate(d *Dispatcher, node string, delivered *atomic.Int64, welcomed func()) {
	upR, upW := io.Pipe()
	downR, downW := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer downW.Close()
		ctx, err := d.enter()
		if err != nil {
			panic(err)
		}
		defer d.wg.Done()
		d.serve(ctx, node, netip.Addr{}, upR, downW, func() { upR.Close() })
	}()
	wire.Write(upW, &wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: api.NewID()}})
	buffered := bufio.NewReader(downR)
	for {
		var message wire.Down
		if wire.Read(buffered, &message) != nil {
			break
		}
		if message.Welcome != nil {
			welcomed()
		}
		delivered.Add(int64(len(message.Tasks)))
	}
	<-ended
}
