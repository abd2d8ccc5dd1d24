package network

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orc-project/orc/agent/network/scheme"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// Examine looks at the node's network as `orc doctor` shows it.
func (f *Fabric) Examine(ctx context.Context) []api.Finding {
	f.mu.Lock()
	v := f.view()
	tables, host, applied := *v.tables.clone(), v.host, f.applied
	var reasons []string
	if tables.Number != 0 && !f.left {
		f.lookAtHost()
		reasons = f.restore()
		applied = f.applied
	}
	f.mu.Unlock()

	findings := []api.Finding{examineRules(applied, reasons), f.examineTracked(), examinePorts(), f.examineNames()}
	findings = append(findings, examineServers()...)
	findings = append(findings, examineSubnets(tables.Networks, host.Subnets)...)
	return append(findings, f.examinePeers(ctx, tables.Peers)...)
}

func examineRules(applied bool, reasons []string) api.Finding {
	switch {
	case !applied:
		return problem("packet rules", "links or packet rules cannot be brought to what is intended: the node's log says why")
	case len(reasons) > 0:
		return warning("packet rules", "somebody had changed orc's own: mended (%s)", strings.Join(reasons, "; "))
	}
	return fine("packet rules", "links, routes and packet rules are as intended")
}

// examinePorts compares the ports that Linux gives the host's own connections with
// those that containers' connections leave from.
func examinePorts() api.Finding {
	const file = "/proc/sys/net/ipv4/ip_local_port_range"
	data, err := os.ReadFile(file)
	var first, last int
	if err == nil {
		_, err = fmt.Sscan(string(data), &first, &last)
	}
	switch {
	case err != nil:
		return warning("ports", "%s cannot be read: %v", file, err)
	case last >= scheme.FirstEgressPort:
		return warning("ports", "the host's own connections may use the ports %d to %d, which containers' connections leave from: sysctl net.ipv4.ip_local_port_range=\"%d %d\" keeps them apart",
			scheme.FirstEgressPort, last, first, scheme.FirstEgressPort-1)
	}
	return fine("ports", "the host's own connections use the ports %d to %d, containers' those from %d", first, last, scheme.FirstEgressPort)
}

func (f *Fabric) examineNames() api.Finding {
	servers := f.servers.Servers()
	if len(servers) == 0 {
		return warning("DNS", "the host has no name server that can be used (/etc/resolv.conf): containers resolve the cluster's names only")
	}
	texts := make([]string, len(servers))
	for i, server := range servers {
		texts[i] = server.Addr().String()
	}
	return fine("DNS", "other names than the cluster's are asked of %s", strings.Join(texts, ", "))
}

// examineSubnets finds networks that hide what the host reaches by a route.
func examineSubnets(networks map[string]wire.Network, subnets []netip.Prefix) []api.Finding {
	var findings []api.Finding
	for _, network := range networks {
		for _, subnet := range subnets {
			if subnet.Bits() > 0 && network.Subnet.Overlaps(subnet) {
				findings = append(findings, warning("subnets", "network %s (%s) hides %s, which this host reaches by a route, from containers: make the network anew with another --subnet",
					network.Name, network.Subnet, subnet))
			}
		}
	}
	slices.SortFunc(findings, func(a, b api.Finding) int { return strings.Compare(a.Message, b.Message) })
	return findings
}

// peerTimeout is how long a peer has to answer.
const peerTimeout = 2 * time.Second

// examinePeers asks every peer over the overlay, with a small packet and with one as
// large as the overlay lets through.
func (f *Fabric) examinePeers(ctx context.Context, peers map[string]wire.Peer) []api.Finding {
	if len(peers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	f.mu.Lock()
	port, mtu := f.tables.DataPort, f.host.MTU-scheme.VXLANOverhead
	f.mu.Unlock()
	var (
		mu       sync.Mutex
		findings []api.Finding
		group    sync.WaitGroup
		reached  int
	)
	for _, peer := range peers {
		group.Go(func() {
			finding, ok := f.examinePeer(ctx, peer, port, mtu)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				reached++
			} else {
				findings = append(findings, finding)
			}
		})
	}
	group.Wait()
	slices.SortFunc(findings, func(a, b api.Finding) int { return strings.Compare(a.Message, b.Message) })
	if reached > 0 {
		findings = append(findings, fine("overlay", "%d of %d nodes answer over it, packets of %d bytes included", reached, len(peers), mtu))
	}
	return findings
}

func (f *Fabric) examinePeer(ctx context.Context, peer wire.Peer, port uint16, mtu int) (finding api.Finding, ok bool) {
	if !peer.Address.IsValid() {
		return warning("overlay", "the address of %s is not known: was it ever connected?", peer.Name), false
	}
	address := scheme.NodeIP(peer.Number)
	small := f.ping(ctx, address, 64)
	large := f.ping(ctx, address, mtu)
	switch {
	case small == nil && large == nil:
		return finding, true
	case small == nil:
		return problem("overlay", "%s answers small packets only, none of %d bytes: the way to %s has a smaller MTU than this host's link; set the link's, or --mtu of the networks",
			peer.Name, mtu, peer.Address), false
	}
	return problem("overlay", "%s does not answer over it: is it up, and does every firewall on the way to %s let UDP port %d through? (%v)", peer.Name, peer.Address, port, small), false
}

func fine(subject, format string, args ...any) api.Finding {
	return finding(api.LevelOK, subject, format, args)
}

func warning(subject, format string, args ...any) api.Finding {
	return finding(api.LevelWarning, subject, format, args)
}

func problem(subject, format string, args ...any) api.Finding {
	return finding(api.LevelProblem, subject, format, args)
}

func finding(level api.Level, subject, format string, args []any) api.Finding {
	return api.Finding{Subject: subject, Level: level, Message: fmt.Sprintf(format, args...)}
}
