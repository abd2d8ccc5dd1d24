package member

import (
	"testing"
	"time"
)

// Turns makes turns shorter until the test's end.
func Turns(t *testing.T, length time.Duration) {
	before := turnTime
	turnTime = length
	t.Cleanup(func() { turnTime = before })
}

// Connections is how many others are connected to the member's port.
func (m *Member) Connections() int {
	m.port.mu.Lock()
	defer m.port.mu.Unlock()
	return len(m.port.open)
}
