package rules

import (
	"errors"
	"sync"
)

// Table keeps orc's tables in the host's and the router's network namespace. Its
// methods may be called at any time; one works at a time.
type Table struct {
	mu           sync.Mutex
	host, router *space
	plan         *plan // nil until the first Apply
	unsure       bool  // something failed: the kernel may have anything
}

// Open takes the tables in hand; it changes nothing. host and router are file
// descriptors of network namespaces, and stay the caller's.
func Open(host, router int) (*Table, error) {
	h, err := openSpace("host", host, hostSets)
	if err != nil {
		return nil, err
	}
	r, err := openSpace("router", router, routerSets)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return &Table{host: h, router: r}, nil
}

// Close lets go of the tables; what is in them stays, and works on.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.host.close(), t.router.close())
}

// Apply makes the tables what follows from a state. The first time that is compared
// with what they have, and only what differs is written; after that what differs from
// the state before. A packet meets what was before or what is after. The state stays
// the caller's.
//
// If somebody else has changed the tables so that a change does not fit, they are
// restored.
func (t *Table) Apply(s State) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plan == nil || t.unsure || s.Links != t.plan.state.Links {
		t.plan = newPlan(s)
		_, err := t.restore()
		return err
	}
	host, router := t.plan.advance(s)
	// The router first: it must know what the host hands over.
	if err := errors.Join(t.router.apply(router), t.host.apply(host)); err != nil {
		if _, again := t.restore(); again != nil {
			return errors.Join(err, again)
		}
	}
	return nil
}

// Restore reads back what the kernel has, and mends what is not as the last state
// makes it: so that traffic goes on meanwhile (see space.mend). What was found is
// returned, in words.
func (t *Table) Restore() (found []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plan == nil {
		return nil, errors.New("restore nftables: no state was applied")
	}
	return t.restore()
}

func (t *Table) restore() (found []string, err error) {
	t.unsure = true
	links := t.plan.state.Links
	router, err := t.router.restore(t.plan.router(), routerChains(links))
	for _, reason := range router {
		found = append(found, "router: "+reason)
	}
	if err != nil {
		return found, err
	}
	host, err := t.host.restore(t.plan.host(), hostChains(links))
	for _, reason := range host {
		found = append(found, "host: "+reason)
	}
	if err != nil {
		return found, err
	}
	t.unsure = false
	return found, nil
}

// Remove deletes the tables: nothing of orc's is left in either namespace. Apply
// brings them back.
func (t *Table) Remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = nil
	return errors.Join(t.host.remove(), t.router.remove())
}
