package dns

import (
	"fmt"

	"github.com/miekg/dns"
)

const (
	// maxQuery is how long a query may be, in bytes: the longest name and options
	// need far less.
	maxQuery = 4096
	// maxUDP is how long a reply over UDP may be, in bytes, so that it is never
	// fragmented (dnsflagday.net/2020).
	maxUDP = 1232
)

// read reads a query from a packet. Without a query, refusal is what to reply
// instead; without either it is to be dropped: a reply would be no help, or begin a
// loop.
func read(packet []byte) (query, refusal *dns.Msg) {
	if len(packet) < 12 || packet[2]&0x80 != 0 { // no header, or itself a reply
		return nil, nil
	}
	query, err := unpack(packet)
	if query.Opcode != dns.OpcodeQuery {
		return nil, refuse(query, dns.RcodeNotImplemented)
	}
	// RFC 9619: there is one question in a query.
	if err != nil || len(query.Question) != 1 || options(query) > 1 {
		return nil, refuse(query, dns.RcodeFormatError)
	}
	if opt := query.IsEdns0(); opt != nil && opt.Version() != 0 {
		return nil, refuse(query, dns.RcodeBadVers)
	}
	switch question := query.Question[0]; {
	case question.Qclass != dns.ClassINET, question.Qtype == dns.TypeAXFR, question.Qtype == dns.TypeIXFR:
		return nil, refuse(query, dns.RcodeRefused)
	}
	return query, nil
}

// unpack reads a message as far as it can be read. What it reads is a stranger's: a
// fault of the parser is one of the packet, and must not end the agent.
func unpack(packet []byte) (message *dns.Msg, err error) {
	message = new(dns.Msg)
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("read a message: %v", fault)
		}
	}()
	return message, message.Unpack(packet)
}

// options counts the records that may be there once (RFC 6891, section 6.1.1).
func options(query *dns.Msg) int {
	count := 0
	for _, record := range query.Extra {
		if record.Header().Rrtype == dns.TypeOPT {
			count++
		}
	}
	return count
}

// replyTo begins a reply. It keeps the question as it was written, and has EDNS if
// the query has.
func replyTo(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	reply.Compress = true
	if opt := query.IsEdns0(); opt != nil {
		reply.SetEdns0(maxUDP, opt.Do())
	}
	return reply
}

func refuse(query *dns.Msg, rcode int) *dns.Msg {
	reply := replyTo(query)
	reply.Rcode = rcode
	return reply
}

// limitOf is how long the reply to a query may be, in bytes.
func limitOf(query *dns.Msg, stream bool) int {
	if stream {
		return dns.MaxMsgSize
	}
	if opt := query.IsEdns0(); opt != nil {
		return min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDP)
	}
	return dns.MinMsgSize
}

// pack makes a packet of a reply, cut to the limit. What cannot be packed becomes a
// failure, which can.
func pack(reply *dns.Msg, limit int) ([]byte, error) {
	reply.Truncate(limit)
	if limit == dns.MaxMsgSize {
		reply.Truncated = false // there is no other way to ask for more
	}
	packet, err := reply.Pack()
	if err == nil {
		return packet, nil
	}
	failure := &dns.Msg{MsgHdr: reply.MsgHdr, Question: reply.Question}
	failure.Rcode = dns.RcodeServerFailure
	if packet, failed := failure.Pack(); failed == nil {
		return packet, err
	}
	return nil, err
}
