package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/miekg/dns"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Server answers the containers of one node.
type Server struct {
	log       *zap.Logger
	table     atomic.Pointer[Table]
	forwarder *forwarder
	forwards  *limiter
	streams   *limiter
}

// New returns a server with an empty table, which refuses everyone. node returns the
// node's own name servers; it is called for each query and must be quick.
func New(node func() []netip.AddrPort, dial Dial, log *zap.Logger) *Server {
	log = log.Named("dns")
	s := &Server{
		log:       log,
		forwarder: &forwarder{node: node, dial: dial, servers: newUpstreams(log)},
		forwards:  newLimiter(maxForwards, maxForwardsEach),
		streams:   newLimiter(maxStreams, maxStreamsEach),
	}
	s.table.Store(&Table{})
	return s
}

// Update replaces the table, at once for every question from now on.
func (s *Server) Update(table Table) { s.table.Store(&table) }

// Serve answers over UDP and TCP until the context ends or a socket fails, and closes
// both. Each must be bound to an address: replies come from where a socket is bound.
func (s *Server) Serve(ctx context.Context, packets net.PacketConn, stream net.Listener) error {
	for _, own := range []net.Addr{packets.LocalAddr(), stream.Addr()} {
		s.forwarder.servers.exclude(endpoint(own))
	}
	group, serving := errgroup.WithContext(ctx)
	defer context.AfterFunc(serving, func() {
		packets.Close()
		stream.Close()
	})()
	for range packetReaders {
		group.Go(func() error { return s.servePackets(serving, packets, group) })
	}
	group.Go(func() error { return s.serveStream(serving, stream, group) })
	err := group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve names: %w", err)
}

// job is a query that other name servers are to be asked.
type job struct {
	query *dns.Msg
	from  netip.Addr
	own   []netip.AddrPort
	limit int
	// otherwise is the reply if nobody else knows the name; nil for none.
	otherwise *dns.Msg
}

// begin answers a packet at once if it can: then there is a reply, or nothing to be
// replied. Otherwise the job is what is to be finished, which takes time.
func (s *Server) begin(packet []byte, from netip.Addr, stream bool) (reply []byte, later *job) {
	query, refusal := read(packet)
	if query == nil {
		if refusal == nil {
			return nil, nil
		}
		return s.pack(refusal, dns.MinMsgSize), nil
	}
	table, limit := s.table.Load(), limitOf(query, stream)
	asker, known := table.Askers[from]
	if !known {
		return s.pack(refuse(query, dns.RcodeRefused), limit), nil
	}
	if local := replyTo(query); table.answer(local, asker, limit) {
		local.Authoritative = true
		return s.pack(local, limit), nil
	}
	if !s.forwards.enter(from) {
		return s.pack(refuse(query, dns.RcodeServerFailure), limit), nil
	}
	later = &job{query: query, from: from, own: asker.Upstreams, limit: limit}
	if local := replyTo(query); table.answerCompleted(local, asker, limit) {
		later.otherwise = local
	}
	return nil, later
}

// finish asks other name servers and returns what to reply.
func (s *Server) finish(ctx context.Context, job *job) []byte {
	defer s.forwards.leave(job.from)
	reply, err := s.forwarder.forward(ctx, job.query, job.own)
	switch {
	case job.otherwise != nil && (err != nil || reply.Rcode == dns.RcodeNameError):
		reply = job.otherwise
	case err != nil:
		s.log.Debug("a name could not be resolved", zap.String("name", job.query.Question[0].Name), zap.Error(err))
		reply = refuse(job.query, dns.RcodeServerFailure)
	}
	return s.pack(reply, job.limit)
}

func (s *Server) pack(reply *dns.Msg, limit int) []byte {
	packet, err := pack(reply, limit)
	if err != nil {
		s.log.Warn("a reply cannot be sent", zap.String("reply", reply.String()), zap.Error(err))
	}
	return packet
}

// endpoint is a socket's address as one that can be compared.
func endpoint(address net.Addr) netip.AddrPort {
	if known, is := address.(interface{ AddrPort() netip.AddrPort }); is {
		at := known.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
	}
	return netip.AddrPort{}
}
