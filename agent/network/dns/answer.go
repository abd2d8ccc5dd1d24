package dns

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// ttl is how long a name may be remembered, in seconds: shorter than a task that
// leaves is left to drain, so that nobody who keeps to it asks for what is gone.
const ttl = 1

// answer fills the reply to a question from the table and says whether it is orc's
// to answer. limit is how long the reply may become, in bytes.
func (t *Table) answer(reply *dns.Msg, asker Asker, limit int) bool {
	question := reply.Question[0]
	name := nameOf(question)
	if addresses, known := t.find(asker, name); known {
		addAddresses(reply, addresses, limit)
		return true
	}
	if address, is := reversed(name); is {
		text, ours := t.reverse(asker, address)
		switch {
		case !ours:
			return false
		case text == "":
			reply.Rcode = dns.RcodeNameError
		case question.Qtype == dns.TypePTR || question.Qtype == dns.TypeANY:
			reply.Answer = []dns.RR{&dns.PTR{Hdr: header(question.Name, dns.TypePTR), Ptr: dns.Fqdn(text)}}
		}
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761, section 6.3
		addAddresses(reply, []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, limit)
		return true
	}
	if isAddress(question.Qtype) && unqualified(name) {
		reply.Rcode = dns.RcodeNameError
		return true
	}
	return false
}

// answerCompleted fills the reply to a question whose name was completed by a search
// list and says whether it is known.
func (t *Table) answerCompleted(reply *dns.Msg, asker Asker, limit int) bool {
	addresses, known := t.completed(asker, nameOf(reply.Question[0]))
	if known {
		addAddresses(reply, addresses, limit)
	}
	return known
}

// nameOf is the name in a question as the table has names.
func nameOf(question dns.Question) string {
	return strings.ToLower(strings.TrimSuffix(question.Name, "."))
}

// addAddresses answers with those of the asked type, in random order. Of more than
// fit it takes a random run, and says that there are more.
func addAddresses(reply *dns.Msg, addresses []netip.Addr, limit int) {
	if len(addresses) == 0 {
		return
	}
	question := reply.Question[0]
	for i, first := 0, rand.IntN(len(addresses)); i < len(addresses); i++ {
		address := addresses[(first+i)%len(addresses)]
		kind := typeOf(address)
		if question.Qtype != kind && question.Qtype != dns.TypeANY {
			continue
		}
		if len(reply.Answer) == limit/shortestRecord {
			reply.Truncated = true
			break
		}
		if kind == dns.TypeA {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header(question.Name, kind), A: address.AsSlice()})
		} else {
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header(question.Name, kind), AAAA: address.AsSlice()})
		}
	}
	rand.Shuffle(len(reply.Answer), func(i, j int) {
		reply.Answer[i], reply.Answer[j] = reply.Answer[j], reply.Answer[i]
	})
}

// shortestRecord is an A record whose name points at the question's, in bytes.
const shortestRecord = 16

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

func typeOf(address netip.Addr) uint16 {
	if address.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

func isAddress(kind uint16) bool { return kind == dns.TypeA || kind == dns.TypeAAAA }

// unqualified says whether a name can only be a service's: one label, or the task
// list of one. The root is none.
func unqualified(name string) bool {
	service := strings.TrimPrefix(name, tasks)
	return service != "" && !strings.Contains(service, ".")
}
