package containerd

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

// crowd is how many containers are started at once.
const crowd = 50

// BenchmarkStartCrowd starts 50 containers at once, and 50 through containerd's
// client alone at the parallelism that suits it best: ratio is ours to its.
func BenchmarkStartCrowd(b *testing.B) {
	n := open(b)
	n.load(b, nil, nil)
	var ours, bare time.Duration
	n.startBare(b, 4) // warms up
	for b.Loop() {
		best := time.Duration(0)
		for _, parallel := range []int{2, 4, 8, 16} {
			took := n.startBare(b, parallel)
			if best == 0 || took < best {
				best = took
			}
			b.Logf("bare client, %d at once: %s", parallel, took)
		}
		took := n.startOurs(b)
		b.Logf("runtime: %s", took)
		ours, bare = ours+took, bare+best
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/50")
	b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s/50")
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(0, "ns/op")
}

func (n *node) startOurs(b *testing.B) time.Duration {
	specs := make([]runtime.Spec, crowd)
	for i := range specs {
		specs[i] = n.spec(b)
		specs[i].Network.Mode = "host"
	}
	began := time.Now()
	var group sync.WaitGroup
	for _, spec := range specs {
		group.Go(func() {
			if err := n.Create(b.Context(), spec); err != nil {
				b.Error(err)
			} else if err := n.Start(b.Context(), spec.ID); err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	for _, spec := range specs {
		require.NoError(b, n.Remove(b.Context(), spec.ID))
	}
	return took
}

// startBare starts them as containerd's documentation does.
func (n *node) startBare(b *testing.B, parallel int) time.Duration {
	ctx := b.Context()
	image, err := n.client.GetImage(ctx, runtimetest.ImageName)
	require.NoError(b, err)
	slots := make(chan struct{}, parallel)
	tasks := make([]client.Task, crowd)
	began := time.Now()
	var group sync.WaitGroup
	for i := range crowd {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			id := fmt.Sprintf("%s-bare-%d", n.id, n.serial.Add(1))
			container, err := n.client.NewContainer(ctx, id, client.WithImage(image), client.WithNewSnapshot(id, image),
				client.WithSpec(n.bareSpec(b, id)))
			if err != nil {
				b.Error(err)
				return
			}
			task, err := container.NewTask(ctx, cio.NullIO)
			if err != nil {
				b.Error(err)
				return
			}
			if err := task.Start(ctx); err != nil {
				b.Error(err)
			}
			tasks[i] = task
		})
	}
	group.Wait()
	took := time.Since(began)
	for _, task := range tasks {
		container, err := n.client.LoadContainer(ctx, task.ID())
		require.NoError(b, err)
		_, err = task.Delete(context.Background(), client.WithProcessKill)
		require.NoError(b, err)
		require.NoError(b, container.Delete(ctx, client.WithSnapshotCleanup))
	}
	return took
}

// bareSpec is the spec of the same containers, without the files of each.
func (n *node) bareSpec(b *testing.B, id string) *oci.Spec {
	info, err := n.info(b.Context(), runtime.ImageRef{Name: runtimetest.ImageName})
	require.NoError(b, err)
	spec := n.spec(b)
	spec.ID, spec.Network.Mode = id, "host"
	made, err := (&blueprint{Spec: spec, image: info, users: &users{}, host: n.host}).build()
	require.NoError(b, err)
	return made
}

// BenchmarkCreateStartRemove is one container's whole life, alone.
func BenchmarkCreateStartRemove(b *testing.B) {
	n := open(b)
	n.load(b, nil, nil)
	for b.Loop() {
		spec := n.spec(b)
		spec.Container.Init = nil
		spec.Resources.Limits = api.ResourceSet{Memory: 64 << 20}
		require.NoError(b, n.Create(b.Context(), spec))
		require.NoError(b, n.Start(b.Context(), spec.ID))
		require.NoError(b, n.Remove(b.Context(), spec.ID))
	}
}
