package dns

import (
	"net/netip"
	"strings"
)

// Table is all that the server answers from. It is not changed once it was given:
// the next one shares with it the networks that did not change.
type Table struct {
	// Askers are the containers by each address that they may ask from. Anyone else
	// is refused.
	Askers map[netip.Addr]Asker
	// Networks are by ID.
	Networks map[string]*Network
	// Subnets are the ranges that orc's addresses are from: nobody else is asked who
	// these are.
	Subnets []netip.Prefix
}

// Asker is a container that asks.
type Asker struct {
	// Networks are the IDs of those it is on, in its service's order: the first that
	// knows a name answers.
	Networks []string
	// App comes first: asked for db, a container of the app shop means shop_db, and
	// only without that db.
	App string
	// Search are the domains that its resolver appends, in lower case and without
	// dots at their ends.
	Search []string
	// Upstreams are its own name servers; none means the node's.
	Upstreams []netip.AddrPort
}

// Network is what the containers on one network may know of each other. Names are
// in lower case and without a dot at their end.
type Network struct {
	// Name makes names of the form service.network.
	Name string
	// Names are services (their virtual address, or their tasks' with dnsrr),
	// tasks.SERVICE, aliases and hosts, each by its name in the cluster; the forms
	// service.app and service.network need no entries. A name without addresses is
	// known and answered as empty.
	Names Map[string, []netip.Addr]
	// Reverse are the names of addresses.
	Reverse Map[netip.Addr, string]
}

// tasks begins the name of the list of a service's tasks.
const tasks = "tasks."

// find returns the addresses of a name, in lower case and without a dot at its end,
// and whether a network of the asker knows it.
func (t *Table) find(asker Asker, name string) ([]netip.Addr, bool) {
	var room [3]string
	for _, spelling := range spellings(room[:0], asker.App, name) {
		for _, id := range asker.Networks {
			if network := t.Networks[id]; network != nil {
				if addresses, known := network.Names.Get(spelling); known {
					return addresses, true
				}
			}
		}
	}
	for _, id := range asker.Networks {
		network := t.Networks[id]
		if network == nil || network.Name == "" {
			continue
		}
		service, within := strings.CutSuffix(name, "."+network.Name)
		if !within {
			continue
		}
		for _, spelling := range spellings(room[:0], asker.App, service) {
			if addresses, known := network.Names.Get(spelling); known {
				return addresses, true
			}
		}
	}
	return nil, false
}

// completed finds a name that a domain of the search list was appended to. Some
// resolvers ask for nothing else: busybox's nslookup completes every name without a
// dot, whatever ndots says.
func (t *Table) completed(asker Asker, name string) ([]netip.Addr, bool) {
	for _, domain := range asker.Search {
		if short, is := strings.CutSuffix(name, "."+domain); is {
			if addresses, known := t.find(asker, short); known {
				return addresses, true
			}
		}
	}
	return nil, false
}

// spellings appends the names in the cluster that a name may stand for, the nearest
// first: of the asker's own app, as it is, and service.app as app_service.
func spellings(list []string, app, name string) []string {
	prefix, service := "", name
	if rest, list := strings.CutPrefix(name, tasks); list {
		prefix, service = tasks, rest
	}
	if app != "" {
		list = append(list, prefix+app+"_"+service)
	}
	list = append(list, name)
	if dot := strings.LastIndexByte(service, '.'); dot > 0 {
		list = append(list, prefix+service[dot+1:]+"_"+service[:dot])
	}
	return list
}

// reverse returns the name of an address, "" for none, and whether it is for orc
// alone to say.
func (t *Table) reverse(asker Asker, address netip.Addr) (name string, ours bool) {
	for _, id := range asker.Networks {
		if network := t.Networks[id]; network != nil {
			if name, known := network.Reverse.Get(address); known {
				return name, true
			}
		}
	}
	for _, subnet := range t.Subnets {
		if subnet.Contains(address) {
			return "", true
		}
	}
	return "", false
}
