package network

import (
	"math/bits"
	"net/netip"
	"slices"
)

// space is what is free of a prefix. All of it is IPv4.
type space struct {
	whole netip.Prefix
	free  []netip.Prefix // the largest of which nothing is taken
}

func newSpace(whole netip.Prefix, taken []netip.Prefix) *space {
	var inside []netip.Prefix
	for _, each := range taken {
		if each.Overlaps(whole) {
			inside = append(inside, each)
		}
	}
	return &space{whole: whole, free: holes(nil, whole, inside)}
}

// room counts the addresses that are free and may be given.
func (s *space) room() int {
	n := 0
	for _, hole := range s.free {
		n += usable(s.whole, hole)
	}
	return n
}

// holes halves a prefix until a half is all taken or all free.
func holes(found []netip.Prefix, whole netip.Prefix, taken []netip.Prefix) []netip.Prefix {
	if len(taken) == 0 {
		return append(found, whole)
	}
	if slices.ContainsFunc(taken, func(p netip.Prefix) bool { return p.Bits() <= whole.Bits() }) {
		return found // each overlaps the whole: a larger one covers it
	}
	for _, half := range halves(whole) {
		var inside []netip.Prefix
		for _, each := range taken {
			if each.Overlaps(half) {
				inside = append(inside, each)
			}
		}
		found = holes(found, half, inside)
	}
	return found
}

func halves(p netip.Prefix) [2]netip.Prefix {
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return [2]netip.Prefix{low, netip.PrefixFrom(offset(p.Addr(), size(low)), p.Bits()+1)}
}

// carve takes a prefix of the given length out of the smallest hole that has room
// for it, so that large holes stay.
func (s *space) carve(length int) (netip.Prefix, bool) {
	best := -1
	for i, hole := range s.free {
		if hole.Bits() <= length && (best < 0 || hole.Bits() > s.free[best].Bits()) {
			best = i
		}
	}
	if best < 0 {
		return netip.Prefix{}, false
	}
	found := s.free[best]
	s.free = slices.Delete(s.free, best, best+1)
	for found.Bits() < length {
		split := halves(found)
		found = split[0]
		s.free = slices.Insert(s.free, best, split[1])
	}
	return found, true
}

// first is the lowest prefix of the given length.
func (s *space) first(length int) (netip.Prefix, bool) {
	for _, hole := range s.free {
		if hole.Bits() <= length {
			return netip.PrefixFrom(hole.Addr(), length), true
		}
	}
	return netip.Prefix{}, false
}

// carveUpTo is carve, but takes less when there is no hole so large: the largest
// there is. At least one of its addresses is usable.
func (s *space) carveUpTo(length int) (netip.Prefix, bool) {
	for length <= 32 {
		found, ok := s.carve(length)
		switch {
		case !ok:
			length++
		case usable(s.whole, found) > 0:
			return found, true
		} // else it was the subnet's own first or last address: nobody's
	}
	return netip.Prefix{}, false
}

// usable counts the addresses of a part of a subnet that may be given. The subnet's
// first and last address may not: too much software takes them for the network
// itself and for its broadcast.
func usable(subnet, part netip.Prefix) int {
	n := size(part)
	for _, edge := range []netip.Addr{subnet.Addr(), last(subnet)} {
		if part.Contains(edge) {
			n--
		}
	}
	return max(n, 0)
}

// size is the number of addresses of an IPv4 prefix.
func size(p netip.Prefix) int { return 1 << (32 - p.Bits()) }

func last(p netip.Prefix) netip.Addr { return offset(p.Addr(), size(p)-1) }

// offset is the n-th address after a.
func offset(a netip.Addr, n int) netip.Addr { return address(number(a) + uint32(n)) }

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// lengthFor is the length of the smallest prefix with n addresses.
func lengthFor(n int) int { return 32 - bits.Len(uint(max(n, 1)-1)) }
