package spec

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/orc-project/orc/api"
)

// Ports reads Docker's short form [[IP:]PUBLISHED:]TARGET[/PROTOCOL], in which
// both ports may be ranges of one length, and its long form
// published=8080,target=80,protocol=tcp,mode=ingress,host_ip=…,name=….
func Ports(text string) ([]api.Port, error) {
	if strings.Contains(text, "=") {
		port, err := longPort(text)
		if err != nil {
			return nil, err
		}
		return []api.Port{port}, nil
	}
	return shortPorts(text)
}

func longPort(text string) (api.Port, error) {
	port := api.Port{Protocol: "tcp", Mode: "ingress"}
	fields, err := pairs("port", text)
	if err != nil {
		return port, err
	}
	for _, field := range fields {
		switch field.key {
		case "target":
			port.Target, err = portNumber(text, field.value)
		case "published":
			port.Published, err = portNumber(text, field.value)
		case "protocol":
			port.Protocol = strings.ToLower(field.value)
		case "mode":
			port.Mode = field.value
		case "host_ip", "host-ip":
			port.HostIP, err = hostIP(text, field.value)
		case "name":
			port.Name = field.value
		case "local-first":
			port.LocalFirst, err = field.flag("port " + strconv.Quote(text))
		default:
			err = api.Invalidf("port %q: %q is not known: use target, published, protocol, mode, host_ip, name or local-first", text, field.key)
		}
		if err != nil {
			return port, err
		}
	}
	if port.Target == 0 {
		return port, api.Invalidf("port %q: target=PORT is missing", text)
	}
	return port, checkProtocol(text, port.Protocol)
}

func shortPorts(text string) ([]api.Port, error) {
	rest, protocol, found := strings.Cut(text, "/")
	if !found {
		protocol = "tcp"
	}
	protocol = strings.ToLower(protocol)
	if err := checkProtocol(text, protocol); err != nil {
		return nil, err
	}
	var address, published string
	target := rest
	if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		target, published = rest[at+1:], rest[:at]
		if at := strings.LastIndexByte(published, ':'); at >= 0 {
			address, published = published[:at], published[at+1:]
		}
	}
	address, err := hostIP(text, strings.Trim(address, "[]"))
	if err != nil {
		return nil, err
	}
	first, last, err := portRange(text, target)
	if err != nil {
		return nil, err
	}
	var from, to uint16
	if published != "" {
		if from, to, err = portRange(text, published); err != nil {
			return nil, err
		}
		if to-from != last-first {
			return nil, api.Invalidf("port %q: the two ranges differ in length", text)
		}
	}
	var ports []api.Port
	for i := 0; i <= int(last-first); i++ {
		port := api.Port{Protocol: protocol, Mode: "ingress", Target: first + uint16(i), HostIP: address}
		if from != 0 {
			port.Published = from + uint16(i)
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func portRange(text, field string) (first, last uint16, err error) {
	low, high, isRange := strings.Cut(field, "-")
	if first, err = portNumber(text, low); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = portNumber(text, high); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, api.Invalidf("port %q: %d-%d runs backwards", text, first, last)
	}
	return first, last, nil
}

func portNumber(text, field string) (uint16, error) {
	number, err := strconv.ParseUint(field, 10, 16)
	if err != nil || number == 0 {
		return 0, api.Invalidf("port %q: %q is not a port: want 1 to 65535, as in 8080:80/tcp", text, field)
	}
	return uint16(number), nil
}

func hostIP(text, field string) (string, error) {
	if field == "" {
		return "", nil
	}
	address, err := netip.ParseAddr(field)
	if err != nil {
		return "", api.Invalidf("port %q: host IP %q is not an address", text, field)
	}
	if address.IsUnspecified() {
		return "", nil
	}
	return address.String(), nil
}

func checkProtocol(text, protocol string) error {
	if protocol != "tcp" && protocol != "udp" {
		return api.Invalidf("port %q: protocol %q: use tcp or udp", text, protocol)
	}
	return nil
}
