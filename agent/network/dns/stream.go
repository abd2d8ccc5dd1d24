package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// maxStreams bounds the open connections, in all and of each asker.
	maxStreams, maxStreamsEach = 1024, 32
	// idle is how long a connection may be unused (RFC 7766, section 6.2.3), and
	// writeTimeout how long an asker may take to read a reply.
	idle         = 10 * time.Second
	writeTimeout = 5 * time.Second
)

// serveStream answers what comes over TCP.
func (s *Server) serveStream(ctx context.Context, stream net.Listener, group *errgroup.Group) error {
	for {
		conn, err := stream.Accept()
		switch {
		case passing(err):
			s.log.Warn("a connection could not be accepted", zap.Error(err))
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		case err != nil:
			return fmt.Errorf("accept at %s: %w", stream.Addr(), err)
		}
		from := endpoint(conn.RemoteAddr()).Addr()
		if !s.streams.enter(from) {
			conn.Close()
			continue
		}
		group.Go(func() error {
			defer s.streams.leave(from)
			s.serveConn(ctx, conn)
			return nil
		})
	}
}

// passing says whether the next try to accept a connection may well succeed.
func passing(err error) bool {
	for _, passes := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return false
}

// serveConn answers one query after the other, until the asker has no more of them.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	from := endpoint(conn.RemoteAddr()).Addr()
	for {
		conn.SetDeadline(time.Now().Add(idle))
		packet, err := readFrame(conn, maxQuery)
		if err != nil {
			return
		}
		reply, later := s.begin(packet, from, true)
		if later != nil {
			reply = s.finish(ctx, later)
		}
		if reply == nil {
			return
		}
		conn.SetDeadline(time.Now().Add(writeTimeout))
		if writeFrame(conn, reply) != nil {
			return
		}
	}
}
