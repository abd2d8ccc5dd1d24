// Package session keeps a node connected to a manager, any manager: it dials out,
// takes assignments down and statuses up, and opens the streams that the manager
// asks for. When the connection ends it tries the next manager, without end.
//
// It knows the wire and nothing of containers: what comes is passed to a Node.
package session

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// Node is what a session connects: an agent.
type Node interface {
	// Apply acts on a message.
	Apply(down wire.Down) error
	// Lost tells that a session has ended, and when its manager was last heard.
	Lost(heard time.Time)
	// Ready is sent to when Take has statuses; Statuses has all of them.
	Ready() <-chan struct{}
	Take() []api.TaskStatus
	Statuses(ctx context.Context) []api.TaskStatus
	// Handle answers an Open on its stream.
	Handle(ctx context.Context, open wire.Open, stream io.ReadWriter) error
}

// Config is what a Client is made of.
type Config struct {
	Node Node
	// Managers are the addresses (host:port) to begin with. Those that managers tell
	// later come first, and are kept in File for the next process.
	Managers []string
	File     string
	// TLS returns this node's configuration, asked for at every connection.
	TLS func() *tls.Config
	// Info describes the node, asked for at every connection and now and then.
	Info func() api.NodeInfo
	// Changed, which may be nil, is sent to when what Info tells has changed.
	Changed <-chan struct{}
	// Readdressed, which may be nil, is sent to when addresses of the host have come or
	// gone; Here says whether it has one now.
	Readdressed <-chan struct{}
	Here        func(address netip.Addr) bool
	// Welcomed, which may be nil, is told of every manager's answer.
	Welcomed func(wire.Welcome)
}

// Client keeps one node connected.
type Client struct {
	config   Config
	log      *zap.Logger
	managers managers
	removal  removal
	acted    <-chan struct{} // closed when nothing of earlier sessions is acted on any more
	longest  time.Duration   // between tries to connect
}

// New makes a Client.
func New(config Config, log *zap.Logger) *Client {
	none := make(chan struct{})
	close(none)
	c := &Client{config: config, log: log, acted: none, longest: lastPause}
	c.managers.load(config.File, config.Managers)
	return c
}

// The pauses between tries to connect, which double from the first to the last, or to
// what a manager has told.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Run connects and connects again until ctx ends, which it tells the manager.
func (c *Client) Run(ctx context.Context) error {
	defer func() { <-c.acted }()
	wait := firstPause
	for ctx.Err() == nil {
		address := c.managers.next()
		welcomed, err := c.connect(ctx, address)
		if ctx.Err() != nil {
			break
		}
		if welcomed {
			wait = firstPause
			c.managers.leave(address)
		}
		if c.removal.note(address, welcomed, err, c.managers.round(), time.Now()) {
			c.leave()
		}
		c.log.Warn("not connected to a manager", zap.String("manager", address), zap.Error(err), zap.Duration("nextTryIn", wait))
		// Jitter, so that nodes that lost a manager together don't return together.
		if c.pause(ctx, wait/2+rand.N(wait/2+1)) {
			continue
		}
		wait = min(2*wait, c.longest)
	}
	return nil
}

// Lost tells that the host has not got an address any more: no manager is there.
func (c *Client) Lost(own netip.Addr) { c.managers.lose(own) }

// pause waits before the next try: until ctx ends, for d at most, and less when the
// host's addresses change, which may be what was lacking.
func (c *Client) pause(ctx context.Context, d time.Duration) (readdressed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c.config.Readdressed:
		return true
	}
	return false
}

// connect holds one session to its end.
func (c *Client) connect(ctx context.Context, address string) (welcomed bool, err error) {
	if address == "" {
		return false, errors.New("no manager's address is known")
	}
	// The session outlives ctx for as long as it takes to say goodbye.
	live, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	s, done := c.newSession(address, live, cancel), make(chan struct{})
	defer s.transport.CloseIdleConnections()
	defer s.streams.Wait()
	go s.act(c.acted, done)
	c.acted = done
	defer close(s.over)
	defer cancel(nil)
	return s.run(ctx)
}

func (c *Client) newSession(address string, live context.Context, cancel context.CancelCauseFunc) *session {
	return &session{
		Client: c, address: address, transport: c.newTransport(), live: live, cancel: cancel,
		todo: make(chan wire.Down, mostToDo), begun: make(chan struct{}), over: make(chan struct{}),
	}
}
