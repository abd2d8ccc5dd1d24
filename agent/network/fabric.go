package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/agent/network/dns"
	"github.com/orc-project/orc/agent/network/etc"
	"github.com/orc-project/orc/agent/network/link"
	"github.com/orc-project/orc/agent/network/rules"
	"github.com/orc-project/orc/agent/network/scheme"
	"github.com/orc-project/orc/api/wire"
)

// Config is what a Fabric is made of.
type Config struct {
	// Dir keeps what must survive a boot: addresses, and what managers told last.
	Dir string
	// RunDir is where namespaces are mounted.
	RunDir string
	// Underlay is the address that other nodes reach this one at; when it is not
	// valid, the one that the host takes for the way to them.
	Underlay netip.Addr
}

// Fabric is one node's network. It implements agent.Networks.
type Fabric struct {
	config Config
	log    *zap.Logger
	links  *link.Node
	rules  *rules.Table
	dns    *dns.Server
	// servers are whom the host asks for names.
	servers *etc.Node

	mu       sync.Mutex
	tables   tables
	settled  int64
	alloc    *allocator
	host     link.Host
	names    dns.Table
	applied  bool          // the kernel was given all of it, without an error
	changed  chan struct{} // closed and made anew when tables or settled change
	unsaved  bool          // the tables differ from those on disk
	saving   chan struct{}
	mend     chan struct{}
	flushing *flushes
	leaving  bool // the node was removed from the cluster
	left     bool // nothing of orc's is on the host any more

	wiring  sync.Mutex // held by the one container that is being connected
	commits commits
}

// New opens the node's network, as it was left, and brings it to what was told
// last.
func New(config Config, log *zap.Logger) (*Fabric, error) {
	if err := os.MkdirAll(filepath.Join(config.Dir, "tasks"), 0o700); err != nil {
		return nil, fmt.Errorf("network's directory: %w", err)
	}
	links, err := link.Open(config.RunDir)
	if err != nil {
		return nil, fmt.Errorf("open the node's network: %w", err)
	}
	table, err := rules.Open(links.HostNS(), links.Router())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the node's packet rules: %w", err), links.Close())
	}
	f := &Fabric{
		config: config, log: log, links: links, rules: table, alloc: newAllocator(),
		changed: make(chan struct{}), saving: make(chan struct{}, 1), mend: make(chan struct{}, 1),
		flushing: newFlushes(),
	}
	f.servers = etc.NewNode(etc.Path, etc.SystemdPath, log)
	f.dns = dns.New(f.servers.Servers, new(net.Dialer).DialContext, log)
	f.load()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookAtHost()
	f.reattach()
	f.restore()
	return f, nil
}

// reattach takes up the links of containers that an earlier process attached, and
// removes those that it had not yet noted or had given back. The caller holds mu.
func (f *Fabric) reattach() {
	for _, each := range f.alloc.attachments {
		if !each.Freed.IsZero() {
			continue
		}
		if _, err := f.links.Attach(each.Task, f.planLink(each)); err != nil {
			f.log.Error("a container's link cannot be taken up again", zap.String("task", each.Task), zap.Error(err))
		}
	}
	tasks, err := f.links.Containers()
	if err != nil {
		f.log.Error("containers' namespaces cannot be listed", zap.Error(err))
	}
	for _, task := range tasks {
		if each := f.alloc.attachments[task]; each != nil && each.Freed.IsZero() {
			continue
		}
		if err := f.links.Detach(task); err != nil {
			f.log.Error("a namespace that nobody uses cannot be removed", zap.String("task", task), zap.Error(err))
		}
	}
}

// Run keeps the network as it should be, and answers containers' DNS queries, until
// ctx ends. The network itself stays: containers run on.
func (f *Fabric) Run(ctx context.Context) error {
	packets, stream, err := f.listen()
	if err != nil {
		return fmt.Errorf("listen for DNS queries: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.dns.Serve(ctx, packets, stream) })
	group.Go(func() error { return f.keep(ctx) })
	group.Go(func() error { return f.saveLoop(ctx) })
	group.Go(func() error { return f.flushing.run(ctx, f.flush) })
	err = group.Wait()
	f.save()
	return err
}

// listen opens the DNS server's sockets, in the router.
func (f *Fabric) listen() (net.PacketConn, net.Listener, error) {
	address := netip.AddrPortFrom(scheme.Gateway, 53).String()
	packets, err := f.links.ListenPacket("udp4", address)
	if err != nil {
		return nil, nil, err
	}
	stream, err := f.links.Listen("tcp4", address)
	if err != nil {
		return nil, nil, errors.Join(err, packets.Close())
	}
	return packets, stream, nil
}

// Close lets go of the kernel's handles.
func (f *Fabric) Close() error { return errors.Join(f.rules.Close(), f.links.Close()) }

// leave takes everything of orc's network off the host, once a removed node's
// containers have ended. The caller holds mu.
func (f *Fabric) leave() {
	if !f.leaving || f.left {
		return
	}
	for _, each := range f.alloc.attachments {
		if each.Freed.IsZero() {
			return
		}
	}
	f.left = true
	if err := errors.Join(f.rules.Remove(), f.links.Remove(), os.RemoveAll(f.config.Dir)); err != nil {
		f.log.Error("not everything of the cluster's network can be removed", zap.Error(err))
		return
	}
	f.log.Info("the cluster's network was removed from this host")
}

// Apply implements agent.Networks.
func (f *Fabric) Apply(down wire.Down) (room bool) {
	freed, concerns := f.apply(down)
	for _, each := range freed {
		f.removeFile(each.Task)
	}
	return concerns || len(freed) > 0
}

// apply is Apply but for what is on disk, which may hang.
func (f *Fabric) apply(down wire.Down) (freed []*attachment, concerns bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	concerns = down.Full || down.Network != nil || down.Welcome != nil
	before := f.tables.Number
	changes := f.tables.apply(down)
	for _, each := range changes.strange {
		f.log.Error("a task is said to have an address that is not of its network: it is left out",
			zap.String("task", each.task), zap.String("network", each.network), zap.Stringer("address", each.address))
	}
	f.settled = max(f.settled, down.Settled)
	if down.Full {
		f.settled = down.Settled // what counts is this manager's word
	}
	f.alloc.note(down)
	freed = f.alloc.settle(f.settled)
	f.leaving = down.Full && down.Network == nil
	f.leave()
	if concerns {
		f.unsaved = true
		signal(f.saving)
		if down.Full || down.Network != nil || before != f.tables.Number {
			f.update(changes.networks)
		}
		f.schedule(changes.withdrawn)
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return freed, concerns
}

// noNames is for updates that change no network's names.
var noNames = map[string]bool{}

// update brings the kernel to what is intended now, at the cost of what changed; names
// changed on some networks, nil stands for all. What fails is tried again as a whole.
// The caller holds mu.
func (f *Fabric) update(networks map[string]bool) {
	if f.tables.Number == 0 || f.left {
		return // nobody has told who this node is, or it is none any more
	}
	v := f.view()
	err := f.links.Apply(v.links())
	v.indexes = f.indexes()
	err = errors.Join(err, f.rules.Apply(v.rules()))
	f.name(v, networks)
	f.judge(err)
}

// restore brings the kernel to what is intended, whatever it is like, and returns
// what was wrong with the rules. The caller holds mu.
func (f *Fabric) restore() (reasons []string) {
	if f.tables.Number == 0 || f.left {
		return nil
	}
	v := f.view()
	err := f.relink(v)
	reasons, wrong := f.rules.Restore()
	if len(reasons) > 0 {
		f.log.Warn("packet rules were not as they should be: mended", zap.Strings("wrong", reasons))
	}
	f.name(v, nil)
	f.judge(errors.Join(err, wrong))
	return reasons
}

// restoreLinks is restore for when nobody has touched the rules: to read all of them
// back is not for nothing. The caller holds mu.
func (f *Fabric) restoreLinks() {
	if f.tables.Number == 0 || f.left {
		return
	}
	f.judge(f.relink(f.view()))
}

// relink restores links and routes, and has the rules name the links there are now.
func (f *Fabric) relink(v *view) error {
	err := errors.Join(f.links.Apply(v.links()), f.links.Restore())
	v.indexes = f.indexes() // a link may have been made again
	return errors.Join(err, f.rules.Apply(v.rules()))
}

func (f *Fabric) name(v *view, networks map[string]bool) {
	f.names = v.names(f.names, networks)
	f.dns.Update(f.names)
}

func (f *Fabric) judge(err error) {
	f.applied = err == nil
	if err != nil {
		f.log.Error("the node's network is not as it should be: trying again", zap.Error(err))
		signal(f.mend)
	}
}

func (f *Fabric) indexes() rules.Links {
	host, overlay := f.links.Indexes()
	return rules.Links{Host: host, Overlay: overlay}
}

func (f *Fabric) view() *view {
	return &view{tables: &f.tables, attachments: f.alloc.attachments, host: f.host, underlay: f.underlay()}
}

// underlay is the address that peers send to. The caller holds mu.
func (f *Fabric) underlay() netip.Addr {
	if f.config.Underlay.IsValid() {
		return f.config.Underlay
	}
	for _, egress := range f.host.Egress {
		if egress.Prefix.Bits() == 0 {
			return egress.Source
		}
	}
	return netip.Addr{}
}

// Relocate makes an address the one that other nodes reach this one at, see Config, and
// says whether it was another one.
func (f *Fabric) Relocate(underlay netip.Addr) (moved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.config.Underlay == underlay {
		return false
	}
	f.config.Underlay = underlay
	f.lookAtHost()
	f.restoreLinks()
	return true
}

// HostSubnets are the networks that the host reaches by routes of its own, orc's
// apart.
func (f *Fabric) HostSubnets() []netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.host.Subnets
}

func (f *Fabric) lookAtHost() {
	host, err := f.links.Host()
	if err != nil {
		f.log.Error("the host's addresses and routes cannot be read", zap.Error(err))
		return
	}
	f.host = host
}
