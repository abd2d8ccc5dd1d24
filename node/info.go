package node

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/agent/host"
	"github.com/orc-project/orc/agent/network"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/version"
)

// infoTimeout bounds what the runtime is asked for a NodeInfo.
const infoTimeout = 5 * time.Second

// address is where other nodes reach this one. A worker that was not told one has
// none: its manager sees where its session comes from, and its network what the
// default route has, also after either has changed.
func (n *process) address() netip.Addr {
	if n.config.follows && !n.manages() {
		return netip.Addr{}
	}
	advertised, _ := n.advertised()
	address, err := netip.ParseAddr(hostOf(advertised))
	if err != nil || address.IsUnspecified() {
		return netip.Addr{}
	}
	return address
}

// describe is what the node tells of itself: it is asked for at every connection
// and now and then. engine has the versions of what runs containers.
func (n *process) describe(rt runtime.Runtime, engine map[string]string, fabric *network.Fabric) api.NodeInfo {
	info, err := host.Info()
	if err != nil {
		n.log.Warn("not everything of this host can be read", zap.Error(err))
	}
	info.Version, info.Engine, info.Subnets = version.Version, engine, fabric.HostSubnets()
	info.Capacity.Generic = n.config.Generic
	info.Trust = n.credentials.Trust()
	info.Address = n.address()
	volumes, ok := rt.(runtime.Volumes)
	if !ok {
		return info
	}
	ctx, cancel := context.WithTimeout(context.Background(), infoTimeout)
	defer cancel()
	found, err := volumes.ListVolumes(ctx)
	if err != nil {
		n.log.Warn("the node's volumes cannot be listed", zap.Error(err))
	}
	for _, each := range found {
		info.Volumes = append(info.Volumes, each.Name)
	}
	slices.Sort(info.Volumes)
	return info
}
