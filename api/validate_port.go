package api

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Automatic ports are given from this range (inclusive), as Docker Swarm's are.
const (
	MinAutomaticPort = 30000
	MaxAutomaticPort = 32767
)

func (s *ServiceSpec) validatePorts() error {
	taken := make(map[string]bool)
	for i, port := range s.Ports {
		if err := port.validate(); err != nil {
			return within(strconv.Itoa(i), "", err)
		}
		if s.Endpoint == EndpointDNSRR && port.Mode == "ingress" {
			return wrong(strconv.Itoa(i), "port %s: an ingress port needs the endpoint mode vip; publish it in host mode", port)
		}
		if port.Published == 0 {
			continue
		}
		key := fmt.Sprintf("%s/%d/%s", port.Protocol, port.Published, port.HostIP)
		if taken[key] {
			return wrong(strconv.Itoa(i), "port %s is published twice", port)
		}
		taken[key] = true
	}
	return nil
}

func (p Port) validate() error {
	switch {
	case p.Protocol != "tcp" && p.Protocol != "udp":
		return wrong("protocol", "port %s: protocol %q: use tcp or udp", p, p.Protocol)
	case p.Target == 0:
		return wrong("target", "port %s: the container's port is missing", p)
	case p.Mode != "ingress" && p.Mode != "host":
		return wrong("mode", "port %s: mode %q: use ingress or host", p, p.Mode)
	case p.LocalFirst && p.Mode != "ingress":
		return wrong("localFirst", "port %s: local-first is for ingress ports", p)
	}
	if p.HostIP != "" {
		if _, err := netip.ParseAddr(p.HostIP); err != nil {
			return wrong("hostIp", "port %s: host IP %q is not an address", p, p.HostIP)
		}
	}
	return nil
}

// String is the short form: 8080:80/tcp.
func (p Port) String() string {
	if p.Published == 0 {
		return fmt.Sprintf("%d/%s", p.Target, p.Protocol)
	}
	return fmt.Sprintf("%d:%d/%s", p.Published, p.Target, p.Protocol)
}
