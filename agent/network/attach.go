package network

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/orc-project/orc/agent/disk"
	"github.com/orc-project/orc/agent/network/etc"
	"github.com/orc-project/orc/agent/network/link"
	"github.com/orc-project/orc/agent/network/scheme"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// attachWait is how long Attach waits for addresses before it says so.
const attachWait = time.Second

// Attach implements agent.Networks.
func (f *Fabric) Attach(ctx context.Context, assignment wire.Assignment, spec *api.ServiceSpec) (runtime.Network, map[string]netip.Addr, error) {
	late := time.NewTimer(attachWait)
	defer late.Stop()
	for {
		each, plan, changed, err := f.attach(assignment, spec)
		if err == nil {
			network, err := f.connect(each, plan, assignment, spec)
			return network, each.Addresses, err
		}
		var wrong *api.Error
		if !errors.As(err, &wrong) || wrong.Code != api.CodeUnavailable {
			return runtime.Network{}, nil, err
		}
		select {
		case <-ctx.Done():
			return runtime.Network{}, nil, ctx.Err()
		case <-changed:
		case <-late.C:
			return runtime.Network{}, nil, err
		}
	}
}

// attach gives the task its addresses, and plans its link.
func (f *Fabric) attach(assignment wire.Assignment, spec *api.ServiceSpec) (attachment, link.Attachment, <-chan struct{}, error) {
	want := attachment{Task: assignment.Task.ID, App: assignment.AppName}
	for _, on := range spec.Attachments() {
		want.Networks = append(want.Networks, on.Network)
	}
	for _, text := range spec.Container.DNS {
		server, err := netip.ParseAddr(text)
		if err != nil {
			return want, link.Attachment{}, nil, api.Invalidf("DNS server %q is not an address", text)
		}
		want.DNS = append(want.DNS, server)
	}
	for _, domain := range f.resolv(spec).Search {
		want.Search = append(want.Search, strings.ToLower(domain))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables.Number == 0 {
		return want, link.Attachment{}, f.changed, api.Errorf(api.CodeUnavailable, "waits for a manager to tell of the networks")
	}
	// The way out is over the first network that has one. The ingress network that a
	// service is on only for its ports is none for one whose networks are internal.
	named := len(spec.Networks) > 0
	for _, id := range want.Networks {
		if network := f.tables.Networks[id]; !network.Internal && (id != api.IngressID || !named) {
			want.Source = id
			break
		}
	}
	each, err := f.alloc.attach(want, &f.tables)
	if err != nil {
		return want, link.Attachment{}, f.changed, err
	}
	return *each, f.planLink(each), nil, nil
}

// planLink says what the container's link should be like. The caller holds mu.
func (f *Fabric) planLink(each *attachment) link.Attachment {
	plan := link.Attachment{Link: each.Link, Source: each.Addresses[each.Source]}
	if ingress, found := each.Addresses[api.IngressID]; found {
		// A UDP server answers from the address that it would send from: to clients
		// outside, it must be the one that they were sent on to.
		plan.Source = ingress
	}
	for _, id := range each.Networks {
		network := f.tables.Networks[id]
		plan.Networks = append(plan.Networks, link.Membership{Address: each.Addresses[id], Subnet: network.Subnet})
		if network.MTU > 0 && (plan.MTU == 0 || network.MTU < plan.MTU) {
			plan.MTU = network.MTU
		}
	}
	return plan
}

// connect writes the addresses down, makes the container's namespace and link, and
// lets its packets through.
func (f *Fabric) connect(each attachment, plan link.Attachment, assignment wire.Assignment, spec *api.ServiceSpec) (runtime.Network, error) {
	if err := disk.Save(f.taskFile(each.Task), &each, false); err != nil {
		return runtime.Network{}, err
	}
	namespace, err := f.wire(each.Task, plan)
	if err != nil {
		return runtime.Network{}, err
	}
	applied := f.commits.do(&f.mu, func() bool {
		f.update(noNames)
		return f.applied
	})
	if !applied {
		return runtime.Network{}, api.Errorf(api.CodeUnavailable, "the node's network is not as it should be: see `orc doctor` and the node's log")
	}
	return f.describe(each, namespace, assignment, spec)
}

// wire makes one container's namespace and link after the other: the first of a crowd
// can be started while the others' are being made, instead of all at the end.
func (f *Fabric) wire(task string, plan link.Attachment) (namespace string, err error) {
	f.wiring.Lock()
	defer f.wiring.Unlock()
	return f.links.Attach(task, plan)
}

// describe is the network as the runtime is to make it appear in the container.
func (f *Fabric) describe(each attachment, namespace string, assignment wire.Assignment, spec *api.ServiceSpec) (runtime.Network, error) {
	f.mu.Lock()
	node := f.underlay()
	f.mu.Unlock()
	name := api.TaskName(assignment.ServiceName, &assignment.Task, assignment.NodeName)
	hostname := cmp.Or(spec.Container.Hostname, api.ShortID(each.Task))
	hosts, err := etc.Hosts{
		Hostname: hostname, Names: []string{name}, Addresses: each.list(), Extra: spec.Container.Hosts, Gateway: node,
	}.File()
	if err != nil {
		return runtime.Network{}, err
	}
	return runtime.Network{Mode: "namespace", Namespace: namespace, Hostname: hostname, Hosts: hosts, Resolv: f.resolv(spec).File()}, nil
}

// resolv is what the container's resolv.conf says: the agent answers all questions.
func (f *Fabric) resolv(spec *api.ServiceSpec) etc.Resolv {
	return f.servers.Resolv().ForContainer(scheme.Gateway, spec.Container.DNSSearch, spec.Container.DNSOptions)
}
