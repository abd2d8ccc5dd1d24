package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// crowd is how many replicas BenchmarkSubmitToRunning starts on one node. The
// benchmark of runtime/containerd starts as many through containerd's client alone.
const crowd = 50

// BenchmarkSubmitToRunning measures from the submit of a service until all of its
// replicas on one node are seen running by the API.
func BenchmarkSubmitToRunning(b *testing.B) {
	ready(b)
	var took time.Duration
	for b.Loop() {
		took += runCrowd(b, crowd, "none")
		removeCrowd(b)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/50")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStartOnANetwork is BenchmarkSubmitToRunning with containers on a network
// as a ratio to the same without, one after the other in one run.
func BenchmarkStartOnANetwork(b *testing.B) {
	ready(b)
	var with, without time.Duration
	for b.Loop() {
		without += runCrowd(b, crowd, "none")
		removeCrowd(b)
		with += runCrowd(b, crowd, "")
		removeCrowd(b)
	}
	b.ReportMetric(with.Seconds()/without.Seconds(), "x")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAdoption measures from the start of a node's process that was killed
// until the manager has heard of its 100 containers again, none of them restarted.
func BenchmarkAdoption(b *testing.B) {
	ready(b)
	runCrowd(b, 100, "none")
	node := shared.Nodes()[1]
	c := dial(b)
	var took time.Duration
	for b.Loop() {
		before := session(b, c, node)
		require.NoError(b, node.KillProcess(b.Context()))
		began := time.Now()
		require.NoError(b, node.Start(b.Context()))
		poll(b, func() bool { return session(b, c, node) != before })
		took += time.Since(began)
	}
	tasks, err := c.Tasks(b.Context(), client.TaskQuery{Service: "crowd"})
	require.NoError(b, err)
	for _, task := range tasks {
		require.Len(b, task.Status.Attempts, 1, "%s was restarted", task.Name)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/100")
	b.ReportMetric(0, "ns/op")
	removeCrowd(b)
}

// BenchmarkIdle tells the memory and the processor time of a manager that is a
// worker too, with its containerd, when the cluster has nothing to do.
func BenchmarkIdle(b *testing.B) {
	ready(b)
	node := shared.Nodes()[0]
	for b.Loop() {
		memory, before := usage(b, node)
		const span = 10 * time.Second
		wait(span)
		_, after := usage(b, node)
		b.ReportMetric(float64(memory)/(1<<20), "MiB")
		b.ReportMetric(100*(after-before).Seconds()/span.Seconds(), "%core")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkServiceLs is the whole process of `orc service ls`.
func BenchmarkServiceLs(b *testing.B) {
	ready(b)
	for b.Loop() {
		_, err := shared.Nodes()[0].Orc(b.Context(), "service", "ls")
		require.NoError(b, err)
	}
}

// BenchmarkRollingUpdate is an update of 20 replicas by 5 with a monitor of 1 s, from
// its submit until it is over. The least that it can take is the monitor of each of
// its four steps.
func BenchmarkRollingUpdate(b *testing.B) {
	ready(b)
	const replicas, parallelism, monitor = 20, 5, time.Second
	c := dial(b)
	spec := api.ServiceSpec{Name: "roll", NetworkMode: "none", Replicas: pointer(replicas), Container: api.ContainerSpec{Image: "clock:1.0"}}
	spec.Update.Parallelism, spec.Update.Monitor = pointer(parallelism), pointer(api.Duration(monitor))
	_, err := c.CreateService(b.Context(), api.ServiceCreate{Spec: spec})
	require.NoError(b, err)
	poll(b, func() bool {
		view, err := c.Service(b.Context(), "roll")
		require.NoError(b, err)
		return view.Running == replicas
	})
	var took time.Duration
	for b.Loop() {
		began := time.Now()
		answer, err := c.UpdateService(b.Context(), "roll", api.ServiceUpdate{Spec: spec, Force: true})
		require.NoError(b, err)
		poll(b, func() bool {
			view, err := c.Service(b.Context(), "roll")
			require.NoError(b, err)
			return view.Rollout != nil && view.Rollout.To == answer.Service.Current && view.Rollout.State == api.RolloutCompleted
		})
		took += time.Since(began)
	}
	each := took.Seconds() / float64(b.N)
	b.ReportMetric(each, "s/20")
	b.ReportMetric(each/(replicas/parallelism*monitor).Seconds(), "×min")
	b.ReportMetric(0, "ns/op")
	remove(b, "roll")
}

// BenchmarkDeployOfAThousandServices is an app of 1,000 services, from its submit
// until it is committed, all in one transaction.
func BenchmarkDeployOfAThousandServices(b *testing.B) {
	ready(b)
	c := dial(b)
	app := api.AppSpec{Name: "big", Services: make(map[string]api.ServiceSpec)}
	for i := range 1000 {
		app.Services[fmt.Sprintf("s%d", i)] = api.ServiceSpec{NetworkMode: "none", Replicas: pointer(0), Container: api.ContainerSpec{
			Image: "clock:1.0", Env: []string{"NUMBER=" + strconv.Itoa(i)}, Labels: map[string]string{"tier": "front"},
		}}
	}
	var took time.Duration
	for b.Loop() {
		began := time.Now()
		deployed, err := c.Deploy(b.Context(), api.AppDeploy{Spec: app})
		require.NoError(b, err)
		took += time.Since(began)
		require.True(b, deployed.Changed)
		_, err = c.RemoveApp(b.Context(), "big")
		require.NoError(b, err)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/1000")
	b.ReportMetric(0, "ns/op")
}

func pointer[T any](value T) *T { return &value }

func ready(b *testing.B) {
	b.Helper()
	if shared == nil {
		b.Skip("NOT MEASURED: needs root and a built binary: `make bench` as root")
	}
	if !loaded {
		_, err := shared.Nodes()[0].Orc(b.Context(), "image", "load", os.Getenv(imagesVariable)+"/all.tar")
		require.NoError(b, err)
		loaded = true
	}
}

func dial(b *testing.B) *client.Client {
	c, err := client.New(client.Options{Host: "unix://" + shared.Nodes()[0].Socket()})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	return c
}

// runCrowd starts replicas on one node, on the ingress network or, with the network
// mode none, on no network.
func runCrowd(b *testing.B, replicas int, mode string) time.Duration {
	c := dial(b)
	spec := api.ServiceSpec{Name: "crowd", NetworkMode: mode, Replicas: &replicas, Container: api.ContainerSpec{Image: "stubborn:1.0"}}
	spec.Placement.Constraints = []string{"node.hostname==" + shared.Nodes()[1].Name()}
	began := time.Now()
	_, err := c.CreateService(b.Context(), api.ServiceCreate{Spec: spec})
	require.NoError(b, err)
	poll(b, func() bool {
		view, err := c.Service(b.Context(), "crowd")
		require.NoError(b, err)
		return view.Running == replicas
	})
	return time.Since(began)
}

func removeCrowd(b *testing.B) { remove(b, "crowd") }

func remove(b *testing.B, service string) {
	c := dial(b)
	require.NoError(b, c.RemoveService(b.Context(), service))
	poll(b, func() bool {
		tasks, err := c.Tasks(b.Context(), client.TaskQuery{})
		require.NoError(b, err)
		return len(tasks) == 0
	})
}

func poll(b *testing.B, done func() bool) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*soon)
	defer cancel()
	for !done() {
		require.NoError(b, ctx.Err())
		wait(10 * time.Millisecond)
	}
}

// session is the ID of the node's session: a new one has told of every task.
func session(b *testing.B, c *client.Client, node *lab.Node) string {
	view, err := c.Node(b.Context(), node.Name())
	require.NoError(b, err)
	return view.Status.Session
}

// usage sums the resident memory, in bytes, and the processor time of a node's orc
// and containerd (proc_pid_stat(5); a tick is 10 ms, a page 4 KiB).
func usage(b *testing.B, node *lab.Node) (memory int64, cpu time.Duration) {
	for _, pid := range []string{strconv.Itoa(node.Pid()), containerd(b, node)} {
		data, err := os.ReadFile("/proc/" + pid + "/stat")
		require.NoError(b, err)
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		number := func(i int) int64 {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			require.NoError(b, err)
			return n
		}
		memory += number(21) * 4096
		cpu += time.Duration(number(11)+number(12)) * 10 * time.Millisecond
	}
	return memory, cpu
}

// containerd finds the process of a node's containerd by its program's path.
func containerd(b *testing.B, node *lab.Node) string {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(b, err)
	for _, command := range commands {
		data, err := os.ReadFile(command)
		program, _, _ := strings.Cut(string(data), "\x00")
		if err == nil && strings.HasPrefix(program, node.DataDir()) && filepath.Base(program) == "containerd" {
			return filepath.Base(filepath.Dir(command))
		}
	}
	b.Fatal("no containerd of ", node.Name())
	return ""
}
