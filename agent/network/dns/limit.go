package dns

import (
	"net/netip"
	"sync"
)

// limiter bounds what goes on at one time, in all and for each address, so that one
// container cannot use up what the others need.
type limiter struct {
	all, each int

	mu    sync.Mutex
	count int
	by    map[netip.Addr]int
}

func newLimiter(all, each int) *limiter {
	return &limiter{all: all, each: each, by: map[netip.Addr]int{}}
}

// enter says whether one more may begin, which leave must then end.
func (l *limiter) enter(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= l.all || l.by[address] >= l.each {
		return false
	}
	l.count++
	l.by[address]++
	return true
}

func (l *limiter) leave(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if l.by[address]--; l.by[address] == 0 {
		delete(l.by, address)
	}
}
