package rules

import (
	"errors"
	"fmt"
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

// Apply makes the tables what follows from a state. The first time they are only
// written if they are not so already; after that what differs from the state before
// is written, in one transaction per namespace, and whatever it is, packets see the
// old or the new state. The state stays the caller's.
//
// If somebody else has changed the tables so that the change does not fit, they are
// written as a whole.
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

// Restore reads back what the kernel has. A table that is not what the last state
// makes it is written as a whole; what was found is returned, in words.
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
	for _, side := range []struct {
		*space
		content content
		chains  map[string]chain
	}{
		{t.router, t.plan.router(), routerChains(t.plan.state.Links)},
		{t.host, t.plan.host(), hostChains(t.plan.state.Links)},
	} {
		differences, err := side.check(side.content, side.chains)
		if err != nil {
			return found, err
		}
		if len(differences) == 0 {
			continue
		}
		for _, difference := range differences {
			found = append(found, fmt.Sprintf("%s: %s", side.name, difference))
		}
		if err := side.replace(side.content, side.chains); err != nil {
			return found, err
		}
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
