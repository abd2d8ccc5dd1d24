package session

import (
	"encoding/json"
	"net/netip"
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
	told []string // by the configuration: they may be reachable when no other is
	file string
	lost netip.Addr // this host's own until a moment ago
}

// load takes what an earlier process learned, then what this one was told.
func (m *managers) load(file string, told []string) {
	m.file, m.told = file, told
	var learned []string
	if data, err := os.ReadFile(file); err == nil {
		json.Unmarshal(data, &learned) // broken or missing, it is written anew
	}
	m.list = m.union(learned)
}

// union is the addresses, then those of the configuration that are not among them.
func (m *managers) union(addresses []string) []string {
	list := slices.Clone(addresses)
	for _, address := range m.told {
		if !slices.Contains(list, address) {
			list = append(list, address)
		}
	}
	return list
}

// next is the address to try now; the one after it is next time's. One that was this
// host's own, before that was lost, is passed over if there is another: nobody would
// refuse a connection to it.
func (m *managers) next() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	address := ""
	for range m.list {
		address = m.list[m.at%len(m.list)]
		m.at++
		if !m.isLost(address) {
			break
		}
	}
	return address
}

// round are the addresses that next goes through.
func (m *managers) round() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.list), m.isLost)
}

func (m *managers) isLost(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap() == m.lost
}

// lose notes an address that was this host's own; one that is not valid ends that.
func (m *managers) lose(address netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = address
}

// leave begins again with the address after one that answered: what ended the
// connection to it may last.
func (m *managers) leave(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = slices.Index(m.list, address) + 1
}

// learn puts what a manager told in the place of what was learned before. One that
// tells none changes nothing.
func (m *managers) learn(addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.union(addresses)
	if len(addresses) == 0 || slices.Equal(list, m.list) {
		return
	}
	m.list, m.at = list, 0
	if m.file == "" {
		return
	}
	if data, err := json.Marshal(addresses); err == nil {
		temporary := filepath.Join(filepath.Dir(m.file), ".managers")
		if os.WriteFile(temporary, data, 0o600) == nil {
			os.Rename(temporary, m.file) // only a convenience for the next start
		}
	}
}
