package api

import "net/netip"

// The bounds of a subnet's prefix length: from 16 million addresses to six that can
// be given.
const (
	MinSubnetBits = 8
	MaxSubnetBits = 29
)

// ValidateNetworks checks the settings that networks are made by.
func (s *Settings) ValidateNetworks() error {
	length := s.SubnetLength()
	if length < MinSubnetBits || length > MaxSubnetBits {
		return Invalidf("subnets of length /%d: use /%d to /%d", length, MinSubnetBits, MaxSubnetBits)
	}
	for i, text := range s.AddressPools {
		pool, err := netip.ParsePrefix(text)
		switch {
		case err != nil || !pool.Addr().Is4():
			return Invalidf("address pool %q: want an IPv4 CIDR such as 10.20.0.0/16", text)
		case pool != pool.Masked():
			return Invalidf("address pool %s has host bits: did you mean %s?", text, pool.Masked())
		case reserved(pool):
			return Invalidf("address pool %s is reserved (RFC 6890)", text)
		case pool.Bits() < MinSubnetBits:
			return Invalidf("address pool %s: the largest is a /%d", text, MinSubnetBits)
		case pool.Bits() >= length:
			return Invalidf("address pool %s has no room for two subnets of length /%d: use a larger pool, or a greater length", text, length)
		}
		for _, other := range s.Pools()[:i] {
			if other.Overlaps(pool) {
				return Invalidf("address pool %s overlaps %s", text, other)
			}
		}
	}
	return nil
}

// Pools are the address pools in force.
func (s *Settings) Pools() []netip.Prefix {
	texts := s.AddressPools
	if len(texts) == 0 {
		texts = []string{DefaultAddressPool, FallbackAddressPool}
	}
	pools := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if pool, err := netip.ParsePrefix(text); err == nil { // settings are checked before they are stored
			pools = append(pools, pool)
		}
	}
	return pools
}

// SubnetLength is SubnetBits, set.
func (s *Settings) SubnetLength() int {
	if s.SubnetBits == 0 {
		return DefaultSubnetBits
	}
	return s.SubnetBits
}

// Data is DataPort, set.
func (s *Settings) Data() uint16 {
	if s.DataPort == 0 {
		return DefaultDataPort
	}
	return s.DataPort
}

// reserved says whether containers cannot have addresses of a prefix, for they mean
// something else everywhere.
func reserved(p netip.Prefix) bool {
	for _, text := range []string{"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"} {
		if netip.MustParsePrefix(text).Overlaps(p) {
			return true
		}
	}
	return false
}
