package chaos

import (
	"sync"
	"time"
)

// health knows on the suite's clock which nodes have a fault, and since when the others
// have none. Without most of the managers nobody can be told anything: then no node is
// well.
type health struct {
	managers []string

	mu       sync.Mutex
	hurt     map[string]int           // by node: how many faults it has
	mute     map[string]int           // by node: how many of these may silence it
	well     map[string]time.Duration // by node: since when it has none
	heard    map[string]time.Duration // by node: since when it has none that may
	governed time.Duration            // since when most managers have none
}

func newHealth(managers []string) *health {
	return &health{managers: managers, hurt: make(map[string]int), mute: make(map[string]int), well: make(map[string]time.Duration), heard: make(map[string]time.Duration)}
}

// begin tells that a node has a fault, or one more, which silences it or not.
func (h *health) begin(node string, silences bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hurt[node]++
	if silences {
		h.mute[node]++
	}
}

// end tells that a node has one fault less.
func (h *health) end(node string, silences bool, now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.majority()
	if silences {
		h.mute[node]--
		h.heard[node] = now
	}
	if h.hurt[node]--; h.hurt[node] == 0 {
		h.well[node] = now
	}
	if !before && h.majority() {
		h.governed = now
	}
}

func (h *health) majority() bool {
	well := 0
	for _, manager := range h.managers {
		if h.hurt[manager] == 0 {
			well++
		}
	}
	return 2*well > len(h.managers)
}

// since says whether a node can do what managers tell it, and since when; zero is
// always.
func (h *health) since(node string) (since time.Duration, well bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.well[node], h.governed), h.hurt[node] == 0 && h.majority()
}

// longWell says whether at a time a node could for longer than grace do what managers
// tell it.
func (h *health) longWell(node string, at, grace time.Duration) bool {
	since, well := h.since(node)
	return well && (since == 0 || at-since > grace)
}

// longHeard says whether for longer than grace nothing has kept managers from hearing
// of a node, though it may have faults.
func (h *health) longHeard(node string, at, grace time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := max(h.heard[node], h.governed)
	return h.mute[node] == 0 && h.majority() && (since == 0 || at-since > grace)
}

// faults is how many a node has.
func (h *health) faults(node string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hurt[node]
}
