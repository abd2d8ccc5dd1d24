package link

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Tracked returns how many connections the router remembers, and how many it may.
func (n *Node) Tracked() (count, limit int, err error) {
	err = within(n.router.fd, func() error {
		for name, value := range map[string]*int{"count": &count, "max": &limit} {
			data, err := os.ReadFile("/proc/sys/" + tracking + name)
			if err != nil {
				return fmt.Errorf("read the router's tracked connections: %w", err)
			}
			if *value, err = strconv.Atoi(strings.TrimSpace(string(data))); err != nil {
				return fmt.Errorf("read the router's tracked connections: %w", err)
			}
		}
		return nil
	})
	return count, limit, err
}
