package dns

import (
	"iter"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxCached is how many replies a generation of the cache has, and maxCachedSize
	// how long one may be, in bytes: 16 MiB together at the very most, a few hundred
	// KiB in practice.
	maxCached     = 2048
	maxCachedSize = 4096
	// maxAge and maxNegativeAge are how long a reply is kept at most, whatever its
	// records say.
	maxAge         = time.Hour
	maxNegativeAge = 5 * time.Minute
)

// cache remembers replies for as long as their records allow. It has two
// generations: a full one becomes the old one, and what is asked for again moves to
// the young. What nobody asks for is gone with the old one.
type cache struct {
	mu         sync.Mutex
	young, old map[string]cached
}

type cached struct {
	packet          []byte
	stored, expires time.Time
}

// get returns the reply, with the time that its records have left, or nil.
func (c *cache) get(key string, now time.Time) *dns.Msg {
	c.mu.Lock()
	found, young := c.young[key]
	if !young {
		if found = c.old[key]; now.Before(found.expires) {
			c.add(key, found)
		}
	}
	c.mu.Unlock()
	if !now.Before(found.expires) {
		return nil
	}
	reply, err := unpack(found.packet)
	if err != nil {
		return nil // it was read once before; then it is asked for again
	}
	age := uint32((now.Sub(found.stored) + time.Second - 1) / time.Second)
	for header := range timed(reply) {
		header.Ttl -= min(age, header.Ttl)
	}
	return reply
}

// put keeps a reply, unless it says that it must not be kept or is too long.
func (c *cache) put(key string, reply *dns.Msg, now time.Time) {
	age := ageOf(reply)
	packet, err := reply.Pack()
	if err != nil || len(packet) > maxCachedSize || age <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, cached{packet: packet, stored: now, expires: now.Add(age)})
}

func (c *cache) add(key string, entry cached) {
	if c.young == nil || len(c.young) >= maxCached {
		c.young, c.old = make(map[string]cached), c.young
	}
	c.young[key] = entry
}

// ageOf is how long a reply may be kept: as long as the first of its records, and
// one that says that there is nothing as long as the SOA record allows that comes
// with it (RFC 2308, section 5). Failures and what was cut are not kept.
func ageOf(reply *dns.Msg) time.Duration {
	if reply.Truncated || !final(reply.Rcode) {
		return 0
	}
	age := maxAge
	if reply.Rcode == dns.RcodeNameError || len(reply.Answer) == 0 {
		age = 0
	}
	for _, record := range reply.Ns {
		if soa, is := record.(*dns.SOA); is {
			age = min(maxNegativeAge, time.Duration(soa.Minttl)*time.Second)
		}
	}
	for header := range timed(reply) {
		age = min(age, time.Duration(header.Ttl)*time.Second)
	}
	return age
}

// timed are the headers of a message's records that have a time to live.
func timed(message *dns.Msg) iter.Seq[*dns.RR_Header] {
	return func(yield func(*dns.RR_Header) bool) {
		for _, section := range [][]dns.RR{message.Answer, message.Ns, message.Extra} {
			for _, record := range section {
				if header := record.Header(); header.Rrtype != dns.TypeOPT && !yield(header) {
					return
				}
			}
		}
	}
}
