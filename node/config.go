// Package node is one host's process: its identity and data directory, the roles
// it has, and the server and agent it runs for them. It alone knows which
// implementations orc is put together from.
//
// It decides nothing about services and holds no state of the cluster but the
// node's own identity.
package node

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/orc-project/orc/agent/housekeeping"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/limit"
)

// The defaults of a Config.
const (
	DefaultDataDir = "/var/lib/orc"
	DefaultListen  = "0.0.0.0:6720"
	DefaultPort    = "6720"
	// DefaultDiskFull is in per cent.
	DefaultDiskFull = housekeeping.DefaultFull
)

// Config is everything that can be set of a node's process. Each setting has the
// same name as a flag, as an ORC_ variable and in the configuration file.
type Config struct {
	// Role is what the command asks for: manager (`orc server`) or worker (`orc
	// agent`).
	Role api.Role
	// DataDir holds everything of the node; one process at a time.
	DataDir string
	// Listen is a manager's address, Advertise the one that others reach this node
	// at: a host or host:port; empty means that of the default route's interface.
	Listen    string
	Advertise string
	// auto says that Advertise was found, not told, and may change with the host's
	// addresses; follows, that it is the default route's.
	auto, follows bool
	// Name of the node; empty means the host's name.
	Name     string
	Labels   map[string]string
	LogLevel string // debug, info, warn or error
	// Limits of what others may cost a manager; the zero value means limit.Default.
	Limits limit.Limits
	// NoAgent lets a manager run no containers.
	NoAgent bool
	// Generic is what the node has of the operator's own resources, by name.
	Generic map[string]int64
	// DiskFull is how full the disk may be, in per cent, until images that no task
	// needs are removed; 0 means never.
	DiskFull int
	// Containerd is the socket of an existing containerd; empty means the bundled
	// one.
	Containerd string
	// Bootstrap makes this host the first manager of a new cluster; Join and Token
	// make it a member of one. A node that is a member already resumes: then all
	// three mean nothing.
	Bootstrap bool
	// Autolock makes a new cluster lock its managers at every start.
	Autolock bool
	Join     []string
	Token    string
	// ForceNewCluster makes a manager whose database has lost most of its members go
	// on alone; the other managers are removed.
	ForceNewCluster bool
	// AddressPools, SubnetBits and DataPort are a new cluster's: see api.Settings.
	AddressPools []string
	SubnetBits   int
	DataPort     int
	// Out is told how others can join; nil means nobody. Private says that only who
	// started the process reads it, as on a terminal: a log keeps no token and no key.
	Out     io.Writer
	Private bool
}

// Validate fills in the defaults and checks everything that can be checked
// without looking at the data directory.
func (c *Config) Validate() error {
	if c.Role != api.RoleManager && c.Role != api.RoleWorker {
		return api.Invalidf("role %q: want manager or worker", c.Role)
	}
	if err := c.paths(); err != nil {
		return err
	}
	if err := c.name(); err != nil {
		return err
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		return api.Invalidf("--log-level %q: want debug, info, warn or error", c.LogLevel)
	}
	if c.DiskFull < 0 || c.DiskFull > 99 {
		return api.Invalidf("--disk-full %d: want a percentage from 1 to 99, or 0 for never", c.DiskFull)
	}
	for name, amount := range c.Generic {
		if name == "" || amount < 0 {
			return api.Invalidf("--generic-resource %s=%d: want a name and how many of it the node has", name, amount)
		}
	}
	if c.Limits == (limit.Limits{}) {
		c.Limits = limit.Default()
	}
	if err := c.Limits.Check(); err != nil {
		return api.Invalidf("--limit: %w", err)
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	if err := c.addresses(); err != nil {
		return err
	}
	return c.membership()
}

func (c *Config) paths() error {
	if c.DataDir == "" {
		c.DataDir = DefaultDataDir
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return api.Invalidf("--data-dir %q: %w", c.DataDir, err)
	}
	c.DataDir = dir
	return nil
}

func (c *Config) name() error {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return api.Invalidf("find this host's name (use --name): %w", err)
		}
		c.Name, _, _ = strings.Cut(host, ".")
	}
	if err := api.ValidateName("node", c.Name); err != nil {
		return err
	}
	for key := range c.Labels {
		if key == "" || strings.ContainsAny(key, "= \t\n") {
			return api.Invalidf("--label %q: want name=value", key)
		}
	}
	return nil
}

func (c *Config) addresses() error {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		host, port = c.Listen, DefaultPort
	}
	if host != "" && net.ParseIP(strings.Trim(host, "[]")) == nil {
		return api.Invalidf("--listen %q: want an address of this host, as 0.0.0.0:6720", c.Listen)
	}
	if !validPort(port) {
		return api.Invalidf("--listen %q: the port must be a number from 1 to 65534", c.Listen)
	}
	c.Listen = net.JoinHostPort(strings.Trim(host, "[]"), port)
	if c.Advertise == "" {
		if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil && !ip.IsUnspecified() {
			c.Advertise = ip.String()
		} else if c.Advertise, c.follows, err = outbound(); err != nil {
			return err
		} else {
			c.auto = true
		}
	}
	if c.Advertise, err = withPort(c.Advertise, port); err != nil {
		return api.Invalidf("--advertise %q: want an address of this host that others reach, as 10.0.0.1 or 10.0.0.1:6720", c.Advertise)
	}
	if ip := net.ParseIP(hostOf(c.Advertise)); ip == nil || ip.IsUnspecified() {
		return api.Invalidf("--advertise %q: want an address of this host that others reach, as 10.0.0.1 or 10.0.0.1:6720", c.Advertise)
	}
	for i, each := range c.Join {
		if c.Join[i], err = withPort(each, DefaultPort); err != nil {
			return api.Invalidf("--join %q: want a manager's address, as 10.0.0.1:6720", each)
		}
	}
	return nil
}

func (c *Config) membership() error {
	switch {
	case c.Bootstrap && c.Role != api.RoleManager:
		return api.Invalidf("only a manager can be the first node: `orc server --bootstrap`")
	case c.Bootstrap && len(c.Join) > 0:
		return api.Invalidf("--bootstrap makes a new cluster and --join enters one: choose")
	case c.Autolock && !c.Bootstrap:
		return api.Invalidf("--autolock goes with --bootstrap: for a cluster there is `orc cluster update --autolock`")
	case c.ForceNewCluster && (c.Bootstrap || len(c.Join) > 0):
		return api.Invalidf("--force-new-cluster is for a manager that has lost the others: it goes with neither --bootstrap nor --join")
	case len(c.Join) > 0 && (len(c.AddressPools) > 0 || c.SubnetBits != 0 || c.DataPort != 0):
		return api.Invalidf("--default-addr-pool, --default-addr-pool-mask-length and --data-path-port are a new cluster's: this one has its own already")
	case c.NoAgent && c.Role != api.RoleManager:
		return api.Invalidf("--no-agent is for managers: an agent is all that a worker is")
	case c.Token != "":
		if _, err := api.ParseToken(c.Token); err != nil {
			return err
		}
	}
	return c.networks()
}

// networks checks how a new cluster makes its networks.
func (c *Config) networks() error {
	settings := c.settings()
	if err := settings.ValidateNetworks(); err != nil {
		return api.Invalidf("--default-addr-pool, --default-addr-pool-mask-length: %w", err)
	}
	if c.DataPort != 0 && (c.DataPort < 1024 || c.DataPort > 49151) {
		return api.Invalidf("--data-path-port %d: use 1024 to 49151", c.DataPort)
	}
	return nil
}

// settings are a new cluster's.
func (c *Config) settings() api.Settings {
	return api.Settings{AddressPools: c.AddressPools, SubnetBits: c.SubnetBits, DataPort: uint16(c.DataPort)}
}

// withPort adds the port to an address without one.
func withPort(address, port string) (string, error) {
	host, given, err := net.SplitHostPort(address)
	if err != nil {
		host, given = strings.Trim(address, "[]"), port
	}
	if host == "" || strings.ContainsAny(host, "/ ") || !validPort(given) {
		return address, api.Invalidf("bad address")
	}
	if strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return address, api.Invalidf("bad address")
	}
	return net.JoinHostPort(host, given), nil
}

func validPort(port string) bool {
	number, err := strconv.Atoi(port)
	return err == nil && number >= 1 && number <= 65534 // the next one is the database's
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// outbound is this host's address on its default route, if it has one.
func outbound() (address string, route bool, err error) {
	for _, target := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		if address, err := sourceTo(target); err == nil {
			return address, true, nil
		}
	}
	// No default route: the first address that is no loopback's.
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", false, api.Invalidf("find this host's address (use --advertise): %w", err)
	}
	for _, each := range addresses {
		if network, ok := each.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			return network.IP.String(), false, nil
		}
	}
	return "127.0.0.1", false, nil
}

// sourceTo is the address that this host sends from to a target. Nothing is sent: a UDP
// socket that is connected only picks its source address.
func sourceTo(target string) (string, error) {
	conn, err := net.Dial("udp", target)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return hostOf(conn.LocalAddr().String()), nil
}
