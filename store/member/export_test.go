package member

// Connections is how many others are connected to the member's port.
func (m *Member) Connections() int {
	m.port.mu.Lock()
	defer m.port.mu.Unlock()
	return len(m.port.open)
}
