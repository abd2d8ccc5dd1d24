package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Dial opens a connection, as net.Dialer.DialContext does, from where the node's
// name servers can be reached.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// exchange asks one name server: over UDP, over TCP what does not fit, and without
// EDNS one that does not know it.
func (dial Dial) exchange(ctx context.Context, upstream netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	reply, err := dial.ask(ctx, "udp", upstream, query)
	if err == nil && reply.IsEdns0() == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) {
		plain := *query
		plain.Extra = nil
		reply, err = dial.ask(ctx, "udp", upstream, &plain)
	}
	if err == nil && reply.Truncated {
		if whole, err := dial.ask(ctx, "tcp", upstream, query); err == nil {
			return whole, nil
		} // a part is better than nothing, and says that it is a part
	}
	return reply, err
}

// ask sends a query once, under an ID and from a port that nobody can guess, and
// waits for its reply.
func (dial Dial) ask(ctx context.Context, network string, upstream netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	conn, err := dial(ctx, network, upstream.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	asked := query.Copy() // to pack one changes it, and others ask the same now
	asked.Id = dns.Id()
	packet, err := asked.Pack()
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		if err := writeFrame(conn, packet); err != nil {
			return nil, err
		}
		if packet, err = readFrame(conn, dns.MaxMsgSize); err != nil {
			return nil, err
		}
		return accept(packet, asked)
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	for buffer := make([]byte, maxReply); ; {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		if reply, err := accept(buffer[:n], asked); err == nil {
			return reply, nil
		} // somebody else's, or a late one: the true one may yet come
	}
}

// maxReply is how long a reply over UDP may be, in bytes: more than was asked for,
// as not every name server keeps to that.
const maxReply = 8192

var errForeign = errors.New("this is no reply to what was asked")

// accept reads a reply and makes sure that it answers what was asked.
func accept(packet []byte, asked *dns.Msg) (*dns.Msg, error) {
	reply, err := unpack(packet)
	if err != nil {
		return nil, err
	}
	if !reply.Response || reply.Id != asked.Id || reply.Opcode != dns.OpcodeQuery {
		return nil, errForeign
	}
	if len(reply.Question) == 0 && reply.Rcode != dns.RcodeSuccess {
		return reply, nil // some refuse so briefly
	}
	if len(reply.Question) != 1 {
		return nil, errForeign
	}
	got, want := reply.Question[0], asked.Question[0]
	if !strings.EqualFold(got.Name, want.Name) || got.Qtype != want.Qtype || got.Qclass != want.Qclass {
		return nil, errForeign
	}
	return reply, nil
}
