package session

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// managers are the addresses to try, in turn.
type managers struct {
	mu   sync.Mutex
	list []string
	at   int
	file string
}

// load takes what an earlier process learned, then what this one was told.
func (m *managers) load(file string, told []string) {
	m.file = file
	if data, err := os.ReadFile(file); err == nil {
		json.Unmarshal(data, &m.list) // broken or missing, it is written anew
	}
	for _, address := range told {
		if !slices.Contains(m.list, address) {
			m.list = append(m.list, address)
		}
	}
}

// next is the address to try now; the one after it is next time's.
func (m *managers) next() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == 0 {
		return ""
	}
	address := m.list[m.at%len(m.list)]
	m.at++
	return address
}

// prefer begins again with an address that answered.
func (m *managers) prefer(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = max(0, slices.Index(m.list, address))
}

// learn replaces the list by what a manager told. One that tells none changes
// nothing.
func (m *managers) learn(addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(addresses) == 0 || slices.Equal(addresses, m.list) {
		return
	}
	m.list, m.at = slices.Clone(addresses), 0
	if m.file == "" {
		return
	}
	if data, err := json.Marshal(m.list); err == nil {
		temporary := filepath.Join(filepath.Dir(m.file), ".managers")
		if os.WriteFile(temporary, data, 0o600) == nil {
			os.Rename(temporary, m.file) // only a convenience for the next start
		}
	}
}
