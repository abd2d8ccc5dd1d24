package network

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/orc-project/orc/agent/network/scheme"
	"github.com/orc-project/orc/api"
)

// examineServers looks for UDP servers of the host on ports that containers'
// connections leave from: what comes to these ports from outside may be an answer to
// a container, and goes to the router.
func examineServers() []api.Finding {
	const file = "/proc/self/net/udp"
	table, err := os.ReadFile(file)
	if err != nil {
		return []api.Finding{warning("ports", "%s cannot be read: %v", file, err)}
	}
	var findings []api.Finding
	for _, port := range deafPorts(string(table)) {
		findings = append(findings, warning("ports", "a UDP server of this host listens on port %d and hears nobody outside: the ports %d to %d are containers' on their way out",
			port, scheme.FirstEgressPort, scheme.LastEgressPort))
	}
	return findings
}

// deafPorts finds the ports of UDP sockets that wait for anybody from outside, in a
// table as in proc_pid_net(5): addresses are in hexadecimal, their bytes in the
// machine's order.
func deafPorts(table string) (ports []uint16) {
	const loopback, anybody = "7F", "00000000:0000"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != anybody {
			continue
		}
		address, text, _ := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(text, 16, 16)
		if err == nil && port >= scheme.FirstEgressPort && !strings.HasSuffix(address, loopback) && !slices.Contains(ports, uint16(port)) {
			ports = append(ports, uint16(port))
		}
	}
	slices.Sort(ports)
	return ports
}
