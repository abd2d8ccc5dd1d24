package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

const stateFile = "lab.json"

// maxNameLength leaves room for the interface names made from it (IFNAMSIZ).
const maxNameLength = 20

// state is what a lab is, on disk before anything is made.
type state struct {
	Name   string       `json:"name"`
	Subnet netip.Prefix `json:"subnet"`
	Binary string       `json:"binary"`
	Args   []string     `json:"args,omitempty"`
	Nodes  []nodeState  `json:"nodes"`
}

type nodeState struct {
	Name    string     `json:"name"`
	Manager bool       `json:"manager"`
	Address netip.Addr `json:"address"`
}

func (s *state) fill(options Options) error {
	s.Name, s.Subnet, s.Binary, s.Args = options.Name, options.Subnet, options.Binary, options.Args
	if s.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the orc binary: %w", err)
		}
		s.Binary = self
	}
	binary, err := filepath.Abs(s.Binary)
	if err != nil {
		return err
	}
	s.Binary = binary
	if !s.Subnet.IsValid() {
		if s.Subnet, err = freeSubnet(s.Name); err != nil {
			return err
		}
	}
	if s.Subnet.Bits() != 24 || !s.Subnet.Addr().Is4() {
		return fmt.Errorf("subnet %s: a lab takes an IPv4 /24", s.Subnet)
	}
	address := s.gateway()
	for i := range options.Managers + options.Agents {
		address = address.Next()
		s.Nodes = append(s.Nodes, nodeState{Name: fmt.Sprintf("n%d", i+1), Manager: i < options.Managers, Address: address})
	}
	return nil
}

// gateway is the first address of the subnet: the host.
func (s *state) gateway() netip.Addr { return s.Subnet.Masked().Addr().Next() }

func (s *state) load(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, s); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(dir, stateFile), err)
	}
	return nil
}

func (s *state) save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, stateFile), append(data, '\n'), 0o600)
}

// freeSubnet picks a /24 of 10.210.0.0/15 that no address of the host is in,
// beginning at one that depends on the name, so that a lab keeps its addresses.
func freeSubnet(name string) (netip.Prefix, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the host's addresses: %w", err)
	}
	hash := fnv.New32a()
	hash.Write([]byte(name))
	start := int(hash.Sum32() % 512)
	for i := range 512 {
		n := (start + i) % 512
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(210 + n>>8), byte(n), 0}), 24)
		if !overlaps(subnet, taken) {
			return subnet, nil
		}
	}
	return netip.Prefix{}, errors.New("no free /24 in 10.210.0.0/15: give --subnet")
}

func overlaps(subnet netip.Prefix, taken []net.Addr) bool {
	for _, each := range taken {
		if other, err := netip.ParsePrefix(each.String()); err == nil && subnet.Overlaps(other) {
			return true
		}
	}
	return false
}
