package dns

import (
	"context"
	"fmt"
	"net"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// packetReaders is how many queries over UDP are answered from the table at the same
// time.
const packetReaders = 2

// servePackets answers what comes over UDP. What the table answers is answered here
// and now; only what has to wait for others gets a goroutine of its own.
func (s *Server) servePackets(ctx context.Context, packets net.PacketConn, group *errgroup.Group) error {
	buffer := make([]byte, maxQuery)
	for {
		n, from, err := packets.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("read from %s: %w", packets.LocalAddr(), err)
		}
		reply, later := s.begin(buffer[:n], endpoint(from).Addr(), false)
		if later != nil {
			group.Go(func() error {
				s.send(ctx, packets, from, s.finish(ctx, later))
				return nil
			})
			continue
		}
		s.send(ctx, packets, from, reply)
	}
}

// send sends a reply, if there is one. It may get lost, as any packet may.
func (s *Server) send(ctx context.Context, packets net.PacketConn, to net.Addr, reply []byte) {
	if reply == nil {
		return
	}
	if _, err := packets.WriteTo(reply, to); err != nil && ctx.Err() == nil {
		s.log.Debug("a reply was not sent", zap.Stringer("to", to), zap.Error(err))
	}
}
