package rules

import (
	"maps"
	"net/netip"
	"slices"
)

// plan is a state and what follows from it. It is pure: the kernel is told by
// others.
type plan struct {
	state           State
	services, ports *classes
	// users count the elements that refer to a class.
	users map[class]int
}

// step is what is to be done to one table.
type step struct {
	change
	opened, closed []class // whose chains come and go
}

func (s step) empty() bool { return s.change.empty() && len(s.opened) == 0 && len(s.closed) == 0 }

func newPlan(s State) *plan {
	p := &plan{state: s.clone(), services: newClasses(service), ports: newClasses(publication), users: make(map[class]int)}
	p.enroll(p.state)
	for address, backends := range p.state.Services {
		if n := len(backends); n > 0 {
			p.users[p.services.of(addressKey(address), n)]++
		}
	}
	for port, published := range p.state.Ports {
		if n := len(published.Backends); n > 0 {
			p.users[p.ports.of(port.key(), n)] += published.elements()
		}
	}
	return p
}

// host and router are what the tables have to have.
func (p *plan) host() content { return compileHost(p.state) }

func (p *plan) router() content {
	c := compileRouter(p.state, p.services, p.ports)
	for class := range c.classes {
		c.put(classMap, class.id(), class.chain())
	}
	return c
}

// advance makes it a plan of the next state and returns what changes. That costs a
// glance at each service, port and container, and work for those that are not as
// before.
func (p *plan) advance(next State) (host, router step) {
	gone, came := differ(p.state, next)
	host.change = compare(hostSets, compileHost(gone), compileHost(came))

	// With the old classes: also what may get another one though it did not change.
	old, fresh := p.widen(gone, came)
	before := compileRouter(old, p.services, p.ports)
	p.dismiss(gone)
	p.enroll(came)
	after := compileRouter(fresh, p.services, p.ports)
	router.change = compare(routerSets, before, after)

	router.opened, router.closed = p.count(references(router.added), references(router.gone))
	for _, class := range router.opened {
		put(router.added, classMap, class.id(), class.chain())
	}
	for _, class := range router.closed {
		put(router.gone, classMap, class.id(), class.chain())
	}
	p.adopt(gone, came, next)
	return host, router
}

// widen adds to both sides those whose class may change with that of others.
func (p *plan) widen(gone, came State) (State, State) {
	old, fresh := gone, came
	old.Services, fresh.Services = maps.Clone(gone.Services), maps.Clone(came.Services)
	old.Ports, fresh.Ports = maps.Clone(gone.Ports), maps.Clone(came.Ports)
	for _, changed := range []State{gone, came} {
		for address, backends := range changed.Services {
			for _, mate := range p.services.mates(addressKey(address), len(backends)) {
				address := netip.AddrFrom4([4]byte([]byte(mate)))
				if _, changes := gone.Services[address]; !changes {
					old.Services[address], fresh.Services[address] = p.state.Services[address], p.state.Services[address]
				}
			}
		}
		for number, published := range changed.Ports {
			for _, mate := range p.ports.mates(number.key(), len(published.Backends)) {
				number := parsePort(mate)
				if _, changes := gone.Ports[number]; !changes {
					old.Ports[number], fresh.Ports[number] = p.state.Ports[number], p.state.Ports[number]
				}
			}
		}
	}
	return old, fresh
}

// enroll puts services and ports into classes, dismiss takes them out.
func (p *plan) enroll(s State) {
	for address, backends := range s.Services {
		p.services.add(addressKey(address), len(backends))
	}
	for port, published := range s.Ports {
		p.ports.add(port.key(), len(published.Backends))
	}
}

func (p *plan) dismiss(s State) {
	for address, backends := range s.Services {
		p.services.remove(addressKey(address), len(backends))
	}
	for port, published := range s.Ports {
		p.ports.remove(port.key(), len(published.Backends))
	}
}

// adopt makes the next state the plan's: what differs is copied, the rest is there.
func (p *plan) adopt(gone, came, next State) {
	came = came.clone()
	replace(p.state.Services, gone.Services, came.Services)
	replace(p.state.Ports, gone.Ports, came.Ports)
	replace(p.state.Containers, gone.Containers, came.Containers)
	small := State{Subnets: next.Subnets, Nodes: next.Nodes, HostAddresses: next.HostAddresses, Egress: next.Egress}.clone()
	p.state.Links = next.Links
	p.state.Subnets, p.state.Nodes, p.state.HostAddresses, p.state.Egress = small.Subnets, small.Nodes, small.HostAddresses, small.Egress
}

// replace takes entries out of a map and puts others in.
func replace[K comparable, V any](in, gone, came map[K]V) {
	for key := range gone {
		delete(in, key)
	}
	maps.Copy(in, came)
}

// count notes references to classes that come and go, and returns the classes that
// got their first and those that lost their last.
func (p *plan) count(added, gone []string) (opened, closed []class) {
	for _, id := range added {
		class := parseClass(id)
		if p.users[class]++; p.users[class] == 1 {
			opened = append(opened, class)
		}
	}
	for _, id := range gone {
		class := parseClass(id)
		if p.users[class]--; p.users[class] == 0 {
			delete(p.users, class)
			closed = append(closed, class)
		}
	}
	return opened, closed
}

// references are the classes that elements refer to, by ID.
func references(sets map[string]elements) []string {
	var ids []string
	for _, set := range []string{"services", "ports", "bound"} {
		ids = slices.AppendSeq(ids, maps.Values(sets[set]))
	}
	return ids
}
