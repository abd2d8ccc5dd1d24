package api

import (
	"net/netip"
	"strings"
)

// HostGateway, in place of an address in ContainerSpec.Hosts, is the node that the
// container runs on.
const HostGateway = "host-gateway"

// SplitHost takes a line for /etc/hosts apart: "name:address" or "name=address". An
// IPv6 address may be in brackets; it is returned without.
func SplitHost(text string) (name, address string, err error) {
	at := strings.IndexAny(text, ":=")
	if at > 0 {
		name, address = text[:at], text[at+1:]
		if strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") {
			address = address[1 : len(address)-1]
		}
	}
	parsed, err := netip.ParseAddr(address)
	if err == nil {
		address = parsed.String()
	}
	if at <= 0 || strings.ContainsFunc(name, unprintable) || err != nil && address != HostGateway {
		return "", "", Invalidf("host %q: want NAME:ADDRESS, as db.example:10.0.0.7, or NAME:%s for the node", text, HostGateway)
	}
	return name, address, nil
}

// unprintable is what would break a line or a word of a file in two.
func unprintable(r rune) bool { return r <= ' ' || r == 0x7f }

// validateNames checks what a container is told of names and where to ask for them.
func (c *ContainerSpec) validateNames() error {
	for i, line := range c.Hosts {
		if _, _, err := SplitHost(line); err != nil {
			return within(element("hosts", i), "", err)
		}
	}
	for i, server := range c.DNS {
		if _, err := netip.ParseAddr(server); err != nil {
			return wrong(element("dns", i), "dns server %q: want an address, as 10.0.0.2", server)
		}
	}
	for i, word := range c.DNSSearch {
		if word == "" || strings.ContainsFunc(word, unprintable) {
			return wrong(element("dnsSearch", i), "dns search domain %q: want a domain, or . for none", word)
		}
	}
	for i, word := range c.DNSOptions {
		if word == "" || strings.ContainsFunc(word, unprintable) {
			return wrong(element("dnsOptions", i), "dns option %q: want one as in resolv.conf, such as ndots:1", word)
		}
	}
	return nil
}
