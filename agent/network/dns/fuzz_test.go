package dns

import (
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"
)

// FuzzBegin hands the server packets of strangers: it must neither fall nor reply
// with what is longer than allowed, unreadable, or an answer to something else.
func FuzzBegin(f *testing.F) {
	for _, query := range []*dns.Msg{
		question("db", dns.TypeA),
		question("tasks.web", dns.TypeANY).SetEdns0(4096, true),
		question("10.1.0.10.in-addr.arpa", dns.TypePTR),
		question("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", dns.TypePTR),
		question("example.com", dns.TypeHTTPS),
	} {
		packet, err := query.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, false)
		f.Add(packet[:len(packet)-1], true)
	}
	s := newServer(example)
	f.Fuzz(func(t *testing.T, packet []byte, stream bool) {
		reply, later := s.begin(packet, web, stream)
		if later != nil {
			s.forwards.leave(web)
			if _, err := outward(later.query).Pack(); err != nil {
				t.Skip() // the parser reads names that it cannot write: it fails, and is told so
			}
			got := new(dns.Msg).SetReply(later.query)
			got.Answer = later.query.Answer
			reply = s.pack(relay(later.query, got), later.limit)
		}
		if reply == nil {
			return
		}
		if !stream && len(reply) > maxUDP {
			t.Errorf("%d bytes over UDP", len(reply))
		}
		if binary.BigEndian.Uint16(reply) != binary.BigEndian.Uint16(packet) || reply[2]&0x80 == 0 {
			t.Error("not a reply to this query")
		}
		if err := new(dns.Msg).Unpack(reply); err != nil {
			t.Errorf("the reply cannot be read: %v", err)
		}
	})
}

// FuzzAccept hands the forwarder packets of strangers.
func FuzzAccept(f *testing.F) {
	asked := question("example.com", dns.TypeA)
	asked.Id = 1
	for _, reply := range []*dns.Msg{yes(asked, "192.0.2.1").SetEdns0(1232, true), code(asked, dns.RcodeNameError)} {
		packet, err := reply.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply, err := accept(packet, asked)
		if err != nil {
			return
		}
		if age := ageOf(reply); age < 0 || age > maxAge {
			t.Errorf("kept for %s", age)
		}
		if packet, err := pack(relay(asked, reply), dns.MinMsgSize); err == nil && len(packet) > dns.MinMsgSize {
			t.Errorf("%d bytes", len(packet))
		}
	})
}
