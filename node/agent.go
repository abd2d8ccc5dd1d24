package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/agent"
	"github.com/orc-project/orc/agent/network"
	"github.com/orc-project/orc/agent/session"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime/bundle"
	"github.com/orc-project/orc/runtime/containerd"
)

// serveAgent runs the agent on containerd, connected to a manager.
func (n *process) serveAgent(ctx context.Context) error {
	config, watch, err := n.containerd(ctx)
	if err != nil {
		return err
	}
	rt, err := containerd.New(config, n.log)
	if err != nil {
		return err
	}
	defer rt.Close()
	asking, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	engine, err := rt.Version(asking)
	if err != nil {
		return fmt.Errorf("ask containerd at %s: %w", config.Address, err)
	}
	if err := os.MkdirAll(n.dir.file("agent"), 0o700); err != nil {
		return fmt.Errorf("make the agent's directory: %w", err)
	}
	fabric, err := n.network()
	if err != nil {
		return err
	}
	defer fabric.Close()
	worker, err := agent.New(agent.Config{Dir: n.dir.file("agent"), Runtime: rt, Networks: fabric, DiskFull: n.config.DiskFull}, n.log.Named("agent"))
	if err != nil {
		return err
	}
	n.agent <- worker
	client := session.New(session.Config{
		Node: worker, Managers: n.managers(), File: n.managersFile(), TLS: n.credentials.Client,
		Info:     func() api.NodeInfo { return n.describe(rt, engine, fabric) },
		Welcomed: n.welcomed, Changed: n.describing, Readdressed: n.readdressed, Here: n.here,
	}, n.log.Named("session"))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return watch(ctx) })
	group.Go(func() error { return fabric.Run(ctx) })
	group.Go(func() error { return worker.Run(ctx) })
	group.Go(func() error { return client.Run(ctx) })
	group.Go(func() error { return n.relocate(ctx, fabric, client) })
	return group.Wait()
}

// network opens the node's part of the cluster's networks.
func (n *process) network() (*network.Fabric, error) {
	config := network.Config{Dir: n.dir.file("agent/network"), RunDir: filepath.Join(containerd.RunDir(n.dir.path), "net")}
	config.Underlay = n.address()
	return network.New(config, n.log.Named("network"))
}

// containerd returns where the one to use is, and what watches it.
func (n *process) containerd(ctx context.Context) (config containerd.Config, watch func(context.Context) error, err error) {
	config = containerd.Config{Address: n.config.Containerd, DataDir: n.dir.path}
	if config.Address != "" {
		return config, func(context.Context) error { return nil }, nil
	}
	contents, err := bundle.Contents()
	if err != nil {
		return config, nil, err
	}
	daemon, err := containerd.StartDaemon(ctx, n.dir.path, contents, n.log)
	if err != nil {
		return config, nil, err
	}
	config.Address, config.Init = daemon.Address(), daemon.Init()
	return config, daemon.Run, nil
}

// managersFile is where the agent keeps the managers it heard of. A manager's own
// agent begins with its own manager, and knows of the others anyway.
func (n *process) managersFile() string {
	if n.manages() {
		return ""
	}
	return n.dir.file("managers.json")
}

// welcomed takes over what a manager tells of the cluster.
func (n *process) welcomed(welcome wire.Welcome) {
	n.remember(welcome.Managers)
	n.tellRole(welcome.Node.Role)
	n.mu.Lock()
	following := n.following
	n.mu.Unlock()
	if following { // which a session with a manager that is behind must not undo
		return
	}
	if err := n.followRoots(welcome.Roots, welcome.Issuer, welcome.RenewWithin); err != nil {
		n.log.Error("the cluster's CA certificates cannot be taken over", zap.Error(err))
	}
}

// checkRuntime fails before anything is written when no container could run.
func (n *process) checkRuntime() error {
	if !n.runsContainers() || n.config.Containerd != "" {
		return nil
	}
	_, err := bundle.Contents()
	if errors.Is(err, bundle.ErrNone) {
		return api.Invalidf("%w", err)
	}
	return err
}
