package containerd

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime/runtimetest"
)

const zapWarn = zap.WarnLevel

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	n := open(t)
	runtimetest.Run(t, runtimetest.Harness{Runtime: n, Program: runtimetest.BuildProgram(t), Restart: n.restart})
}

func kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

// active collects the keys of the snapshots that belong to containers.
func active(keys *[]string) snapshots.WalkFunc {
	return func(_ context.Context, info snapshots.Info) error {
		if info.Kind != snapshots.KindCommitted {
			*keys = append(*keys, info.Name)
		}
		return nil
	}
}

// all collects the keys of all snapshots.
func all(keys *[]string) snapshots.WalkFunc {
	return func(_ context.Context, info snapshots.Info) error {
		*keys = append(*keys, info.Name)
		return nil
	}
}

// tarDir packs a directory.
func tarDir(to io.Writer, dir string) error {
	out := tar.NewWriter(to)
	if err := out.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	return out.Close()
}
