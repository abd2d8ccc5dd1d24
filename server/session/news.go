package session

import (
	"net/netip"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

// news are what a node is to look at again: IDs, of which the snapshot says the
// rest.
type news struct {
	tasks map[string]struct{} // its own
	// topics are what it must know of the networks.
	topics map[topic]struct{}
	// joined are networks that it takes part in from now on (true) or no more.
	joined map[string]bool
	// renewed says that something in Welcome changed.
	renewed bool
}

// topic is an object that a node must hear of: a network, a block, a node, a service
// or a task.
type topic struct {
	kind api.Kind
	id   string
}

func (n *news) task(id string) {
	if n.tasks == nil {
		n.tasks = make(map[string]struct{})
	}
	n.tasks[id] = struct{}{}
}

func (n *news) topic(t topic) {
	if n.topics == nil {
		n.topics = make(map[topic]struct{})
	}
	n.topics[t] = struct{}{}
}

func (n *news) join(network string, takesPart bool) {
	if n.joined == nil {
		n.joined = make(map[string]bool)
	}
	n.joined[network] = takesPart
}

// add adds later news.
func (n *news) add(later *news) {
	for id := range later.tasks {
		n.task(id)
	}
	for t := range later.topics {
		n.topic(t)
	}
	for network, takesPart := range later.joined {
		n.join(network, takesPart)
	}
	n.renewed = n.renewed || later.renewed
}

// toDo says whether a node has to act on the news.
func (n *news) toDo() bool { return len(n.tasks)+len(n.topics)+len(n.joined) > 0 }

// bulletin collects the news of one update, by node.
type bulletin struct {
	nodes    map[string]*news
	everyone news
}

func (b *bulletin) of(node string) *news {
	if b.nodes[node] == nil {
		b.nodes[node] = &news{}
	}
	return b.nodes[node]
}

// tidings makes the news of what changed, and brings the audience up to date. Who
// heard of something before and who must from now on are both told of a change: the
// former to forget it.
func (a *audience) tidings(update store.Update) *bulletin {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &bulletin{nodes: make(map[string]*news)}
	topics := make(map[topic]struct{})
	tasks := make(map[string]bool)   // theirs, their statuses, or their nodes' being up
	entered := make(map[string]bool) // nodes that run containers from now on, or no more
	for _, change := range update.Changes {
		switch change.Kind {
		case api.KindTask:
			tasks[change.ID] = true
			for _, node := range []string{placed(change.Old), placed(change.New)} {
				if node != "" {
					b.of(node).task(change.ID)
				}
			}
		case api.KindTaskStatus:
			tasks[change.ID] = true
			if status, _ := change.New.(*api.TaskStatus); endedOn(status) && !endedOn(change.Old) {
				b.of(status.Node).task(change.ID)
			}
		case api.KindService, api.KindEndpoint:
			topics[topic{api.KindService, change.ID}] = struct{}{}
		case api.KindNetwork:
			topics[topic{api.KindNetwork, change.ID}] = struct{}{}
		case api.KindBlock:
			topics[blockTopic(change.ID)] = struct{}{}
		case api.KindNode:
			if before, after := peerOf(change.Old), peerOf(change.New); before != after {
				b.everyone.topic(topic{api.KindNode, change.ID})
				a.setPeer(update.Snapshot, change.ID)
				if before.runs != after.runs {
					entered[change.ID] = after.runs
				}
				a.renamed(update.Snapshot, change.ID, topics)
			}
		case api.KindNodeStatus:
			if addressOf(change.Old) != addressOf(change.New) {
				b.everyone.topic(topic{api.KindNode, change.ID})
				a.setPeer(update.Snapshot, change.ID)
			}
			if down(change.Old) != down(change.New) {
				for task := range store.Find[api.Task](update.Snapshot, store.ByNode, change.ID) {
					tasks[task.ID] = true
				}
			}
		}
	}
	a.renew(update.Snapshot, b, topics, tasks)
	for node, runs := range entered {
		a.enter(update.Snapshot, b.of(node), api.IngressID, runs)
	}
	return b
}

// renamed adds what is told with a node's number or name.
func (a *audience) renamed(snapshot *store.Snapshot, node string, topics map[topic]struct{}) {
	for block := range store.Find[api.Block](snapshot, store.ByNode, node) {
		topics[topic{api.KindBlock, block.ID}] = struct{}{}
	}
	for task := range store.Find[api.Task](snapshot, store.ByNode, node) {
		if _, is := a.backends[task.Service][task.ID]; is {
			topics[topic{api.KindTask, task.ID}] = struct{}{}
		}
	}
}

// renew spreads topics to who hears of them before the audience changes, and to who
// does after.
func (a *audience) renew(snapshot *store.Snapshot, b *bulletin, topics map[topic]struct{}, tasks map[string]bool) {
	for t := range topics {
		if t.kind != api.KindService {
			continue
		}
		if next := reachOf(currentSpec(snapshot, t.id)); !next.equal(a.reach[t.id]) {
			for task := range a.backends[t.id] {
				topics[topic{api.KindTask, task}] = struct{}{}
			}
		}
	}
	for id := range tasks {
		before, was := a.backends[a.serviceOf(snapshot, id)][id]
		after, is := backendOf(snapshot, store.Get[api.Task](snapshot, id))
		if was != is || !before.equal(after) {
			topics[topic{api.KindTask, id}] = struct{}{}
		}
	}
	a.spread(snapshot, b, topics)
	for t := range topics {
		if t.kind == api.KindService {
			a.setService(snapshot, t.id)
		}
	}
	for id := range tasks {
		a.moved(snapshot, b, id)
	}
	a.spread(snapshot, b, topics)
}

// moved brings a task's part up to date and tells its node what that means.
func (a *audience) moved(snapshot *store.Snapshot, b *bulletin, id string) {
	before := a.tasks[id]
	node, joined, left := a.setTask(snapshot, id)
	for _, each := range joined {
		if each != api.IngressID {
			a.enter(snapshot, b.of(node), each, true)
		}
	}
	for _, each := range left {
		if each != api.IngressID {
			a.enter(snapshot, b.of(node), each, false)
		}
	}
	// A service that is published on its tasks' nodes alone concerns a node from its
	// first task to its last.
	service := a.tasks[id].service
	if service == "" {
		service = before.service
	}
	if after := a.tasks[id]; before.node != after.node {
		if r := a.reach[service]; !r.mesh && len(r.networks) > 0 && a.services[api.IngressID][service] {
			n := b.of(node)
			n.topic(topic{api.KindService, service})
			for task := range a.backends[service] {
				n.topic(topic{api.KindTask, task})
			}
		}
	}
}

// enter makes the news of a node that takes part in a network from now on, or no
// more: all that there is.
func (a *audience) enter(snapshot *store.Snapshot, n *news, network string, takesPart bool) {
	n.join(network, takesPart)
	a.topicsOn(snapshot, network, n.topic)
}

// topicsOn are a network and all that is on it.
func (a *audience) topicsOn(snapshot *store.Snapshot, network string, yield func(topic)) {
	yield(topic{api.KindNetwork, network})
	for block := range store.Find[api.Block](snapshot, store.ByNetwork, network) {
		yield(blockTopic(block.ID))
	}
	for service := range a.services[network] {
		yield(topic{api.KindService, service})
		for task := range a.backends[service] {
			yield(topic{api.KindTask, task})
		}
	}
}

// spread tells the nodes that the audience says of each topic.
func (a *audience) spread(snapshot *store.Snapshot, b *bulletin, topics map[topic]struct{}) {
	for t := range topics {
		nodes, all := make(map[string]bool), false
		switch t.kind {
		case api.KindService:
			all = a.ofService(t.id, nodes)
		case api.KindTask:
			all = a.ofService(a.serviceOf(snapshot, t.id), nodes)
		default:
			of := t.id
			if t.kind == api.KindBlock {
				of = networkOf(t.id)
			}
			all = of == api.IngressID
			for node := range a.members[of] {
				nodes[node] = true
			}
		}
		if all {
			b.everyone.topic(t)
			continue
		}
		for node := range nodes {
			b.of(node).topic(t)
		}
	}
}

// blockTopic is a node's block, or the network that virtual addresses belong to.
func blockTopic(id string) topic {
	if network, virtual := strings.CutSuffix(id, "."); virtual {
		return topic{api.KindNetwork, network}
	}
	return topic{api.KindBlock, id}
}

// networkOf is the network of a block's ID.
func networkOf(block string) string {
	network, _, _ := strings.Cut(block, ".")
	return network
}

// peer is what other nodes know of a node.
type peer struct {
	number uint16
	name   string
	runs   bool
}

func peerOf(object api.Object) peer {
	if node, ok := object.(*api.Node); ok && node != nil {
		return peer{node.Number, node.Name, node.Runs}
	}
	return peer{}
}

func addressOf(object api.Object) netip.Addr {
	if status, ok := object.(*api.NodeStatus); ok && status != nil {
		return status.Info.Address
	}
	return netip.Addr{}
}

func down(object api.Object) bool {
	status, ok := object.(*api.NodeStatus)
	return ok && status != nil && status.State == api.NodeDown
}
