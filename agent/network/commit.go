package network

import "sync"

// commits make one update for all who want one while another is being made: a crowd
// of containers that start together costs a few updates, and each of them waits for
// two at most.
type commits struct {
	mu   sync.Mutex
	next *batch // who comes may still join it; nil for none
}

// batch are those who share an update.
type batch struct {
	done chan struct{}
	well bool // the update's result, once done is closed
}

// do returns the result of an update that began after the call did. The first of a
// batch makes it, holding lock; the others join it until it begins.
func (c *commits) do(lock sync.Locker, update func() bool) bool {
	c.mu.Lock()
	b := c.next
	leads := b == nil
	if leads {
		b = &batch{done: make(chan struct{})}
		c.next = b
	}
	c.mu.Unlock()
	if !leads {
		<-b.done
		return b.well
	}
	lock.Lock()
	defer lock.Unlock()
	c.mu.Lock()
	c.next = nil
	c.mu.Unlock()
	defer close(b.done)
	b.well = update()
	return b.well
}
