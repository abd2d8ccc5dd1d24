package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"go.uber.org/zap"

	"github.com/orc-project/orc/runtime"
)

// namespace keeps orc's containers and images apart from others'.
const namespace = "orc"

// patience bounds the calls that must not be left half-way: they go on when their
// caller gives up.
const patience = 2 * time.Minute

// Config says where a runtime is.
type Config struct {
	// Address is containerd's socket: Daemon.Address, or one that exists.
	Address string
	// DataDir is the node's; named volumes are under it.
	DataDir string
	// Init is a static program for containers that want an init process. It is
	// bind-mounted at initPath and run with the container's command line after
	// "--". Empty means this binary, whose main must then call initproc.Main.
	Init string
}

// Runtime implements runtime.Runtime, runtime.Images, runtime.Volumes and
// runtime.Layers. Make it with New; it is safe to use at once from many goroutines.
type Runtime struct {
	config Config
	layout layout
	client *client.Client
	log    *zap.Logger
	boot   string
	host   host

	locks  keyLock
	uses   uses
	images imageCache
	turns  chan struct{} // see turn

	snapshotterOnce sync.Mutex
	snapshotterName string
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Images  = (*Runtime)(nil)
	_ runtime.Volumes = (*Runtime)(nil)
	_ runtime.Layers  = (*Runtime)(nil)
)

// New returns a runtime on a containerd. It does not wait for it to answer.
func New(config Config, logger *zap.Logger) (*Runtime, error) {
	data, err := makeDataDir(config.DataDir)
	if err != nil {
		return nil, err
	}
	run, err := makeRunDir(data)
	if err != nil {
		return nil, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("read boot ID: %w", err)
	}
	if config.Init == "" {
		if config.Init, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	// The client's libraries log by themselves what they also return.
	if err := log.SetLevel("panic"); err != nil {
		return nil, err
	}
	address := strings.TrimPrefix(config.Address, "unix://")
	c, err := client.New(address, client.WithDefaultNamespace(namespace), client.WithTimeout(2*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connect to containerd at %s: %w", address, err)
	}
	r := &Runtime{
		config: config, layout: layout{data: data, run: run}, client: c, log: logger.Named("runtime"),
		boot: strings.TrimSpace(string(boot)), host: hostFacts(),
		turns: make(chan struct{}, max(8, 2*goruntime.NumCPU())),
	}
	// What calls of an earlier process left half-way.
	if err := errors.Join(r.sweepVolumes(), os.RemoveAll(r.layout.exec())); err != nil {
		r.log.Warn("something half-made stays", zap.Error(err))
	}
	return r, nil
}

// Close gives up the connection. Containers run on.
func (r *Runtime) Close() error { return r.client.Close() }

// Version implements runtime.Runtime.
func (r *Runtime) Version(ctx context.Context) (map[string]string, error) {
	version, err := r.client.Version(ctx)
	if err != nil {
		return nil, explain("ask containerd for its version", err)
	}
	return map[string]string{"containerd": strings.TrimPrefix(version.Version, "v")}, nil
}

// snapshotter returns the snapshotter in use: overlayfs, or native where the data
// directory's file system cannot carry an overlay.
func (r *Runtime) snapshotter(ctx context.Context) (snapshots.Snapshotter, error) {
	r.snapshotterOnce.Lock()
	defer r.snapshotterOnce.Unlock()
	if r.snapshotterName == "" {
		_, err := r.client.SnapshotService("overlayfs").Stat(ctx, "none")
		switch {
		case errdefs.IsNotFound(err) || err == nil:
			r.snapshotterName = "overlayfs"
		case errdefs.IsInvalidArgument(err):
			r.log.Warn("containerd has no overlayfs here: containers take a copy of their image each")
			r.snapshotterName = "native"
		default:
			return nil, err
		}
	}
	return r.client.SnapshotService(r.snapshotterName), nil
}

// detach returns a context for a call that must not be left half-way.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}
