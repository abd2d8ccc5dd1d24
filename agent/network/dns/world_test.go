package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
	"go.uber.org/zap"
)

// Two servers of the world.
const (
	one = "192.0.2.1:53"
	two = "192.0.2.2:53"
)

// world is the name servers outside, reached over pipes. What script returns is
// replied; nil is silence.
type world struct {
	script func(network, server string, query *dns.Msg) *dns.Msg

	running sync.WaitGroup
	mu      sync.Mutex
	asked   []string // "network server name", in order
}

func (w *world) dial(_ context.Context, network, server string) (net.Conn, error) {
	near, far := net.Pipe()
	w.running.Go(func() {
		defer far.Close()
		var packet []byte
		var err error
		if network == "tcp" {
			packet, err = readFrame(far, maxQuery)
		} else {
			packet = make([]byte, maxQuery)
			var n int
			n, err = far.Read(packet)
			packet = packet[:n]
		}
		query := new(dns.Msg)
		if err != nil || query.Unpack(packet) != nil {
			return
		}
		w.mu.Lock()
		w.asked = append(w.asked, fmt.Sprint(network, " ", server, " ", query.Question[0].Name))
		w.mu.Unlock()
		reply := w.script(network, server, query)
		if reply == nil {
			far.Read(packet) // until the asker hangs up
			return
		}
		if packet, err = reply.Pack(); err != nil {
			panic(err)
		}
		if network == "tcp" {
			writeFrame(far, packet)
		} else {
			far.Write(packet)
		}
	})
	return near, nil
}

func (w *world) questions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *world) forwarder(servers ...string) *forwarder {
	var list []netip.AddrPort
	for _, server := range servers {
		list = append(list, netip.MustParseAddrPort(server))
	}
	return &forwarder{node: func() []netip.AddrPort { return list }, dial: w.dial, servers: newUpstreams(zap.NewNop())}
}

// record makes a record from its text, as in a zone file.
func record(text string) dns.RR {
	parsed, err := dns.NewRR(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

// yes replies with one address.
func yes(query *dns.Msg, address string) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Answer = []dns.RR{record(query.Question[0].Name + " 60 IN A " + address)}
	return reply
}

func code(query *dns.Msg, rcode int) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Rcode = rcode
	return reply
}
