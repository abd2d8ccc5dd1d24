// Package session keeps a node connected to a manager, any manager: it dials out,
// takes assignments down and statuses up, and opens the streams that the manager
// asks for. When the connection ends it tries the next manager, without end.
//
// It knows the wire and nothing of containers: what comes is passed to a Node.
package session

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/api/wire/tcp"
	"github.com/orc-project/orc/api/wire/upgrade"
	"github.com/orc-project/orc/sleep"
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
}

// New makes a Client.
func New(config Config, log *zap.Logger) *Client {
	c := &Client{config: config, log: log}
	c.managers.load(config.File, config.Managers)
	return c
}

// The pauses between tries to connect, which double from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// connectTimeout bounds the handshake and the wait for Welcome; dialTimeout is
// short, for where one manager's host is dead another one may be alive.
const (
	connectTimeout = 5 * time.Second
	dialTimeout    = 2 * time.Second
)

// infoInterval is how often the node looks whether what it tells of itself has
// changed.
const infoInterval = 10 * time.Second

// infoPause is how soon it looks after a task changed: that may have made a volume,
// which the node could die before telling of.
const infoPause = time.Second

// statusPause gathers statuses that change together into one message.
const statusPause = 10 * time.Millisecond

// Run connects and connects again until ctx ends, which it tells the manager.
func (c *Client) Run(ctx context.Context) error {
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
		c.log.Warn("not connected to a manager", zap.String("manager", address), zap.Error(err), zap.Duration("nextTryIn", wait))
		// Jitter, so that nodes that lost a manager together don't return together.
		if c.pause(ctx, wait/2+rand.N(wait/2+1)) {
			continue
		}
		wait = min(2*wait, lastPause)
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
	s := &session{Client: c, address: address, transport: c.newTransport(), live: live, cancel: cancel}
	defer s.transport.CloseIdleConnections()
	defer s.streams.Wait()
	defer cancel(nil)
	welcomed, err = s.run(ctx)
	if !s.heard.IsZero() {
		c.config.Node.Lost(s.heard)
	}
	return welcomed, err
}

// session is one connection to a manager, and the streams that it asks for over
// another one: what is measured in bytes does not hold up heartbeats.
type session struct {
	*Client
	address   string
	conn      *tcp.Conn       // the session's
	transport *http.Transport // the streams'
	live      context.Context
	cancel    context.CancelCauseFunc
	streams   sync.WaitGroup
	down      io.Reader
	parts     wire.Parts
	heard     time.Time // the last message since the welcome; receive's while it runs

	writing sync.Mutex // of up, and guards sent
	up      upward
	sent    time.Time // the last message

	beat, timeout time.Duration
	silence       *time.Timer // ends the session
	alone         *time.Timer // sends a heartbeat
}

// upward is the session's connection to the manager.
type upward interface {
	io.Writer
	CloseWrite() error
}

func (s *session) run(ctx context.Context) (welcomed bool, err error) {
	late := time.AfterFunc(connectTimeout, func() { s.cancel(errors.New("the manager does not answer")) })
	defer late.Stop()
	early := context.AfterFunc(ctx, func() { s.cancel(context.Canceled) }) // nobody to say goodbye to yet
	defer early()
	if err := s.call(); err != nil {
		return false, s.why(err)
	}
	hello := &wire.Hello{Protocol: wire.Protocol, Session: api.NewID(), Info: s.config.Info()}
	told := s.tell(wire.Up{Hello: hello}, s.config.Node.Statuses(s.live))
	welcome, err := s.greet() // which may say why telling failed
	if err = cmp.Or(err, told); err != nil || !late.Stop() || !early() {
		return false, s.why(err)
	}
	s.log.Info("connected to a manager", zap.String("manager", s.address))
	s.managers.lose(netip.Addr{})
	return true, s.why(s.converse(ctx, welcome, hello.Info))
}

// call opens the session's connection, which ends with live.
func (s *session) call() error {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(s.live, "tcp", s.address)
	if err != nil {
		return err
	}
	context.AfterFunc(s.live, func() { conn.Close() })
	s.conn = tcp.New(conn)
	secured := tls.Client(s.conn, s.secure("http/1.1"))
	if err := secured.HandshakeContext(s.live); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(s.live, http.MethodPost, "https://"+s.address+"/v1/session", nil)
	if err != nil {
		return err
	}
	down, response, err := upgrade.Ask(secured, request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return refusal(response)
	}
	s.down, s.up = down, secured
	return nil
}

// secure is the node's configuration for connections of one protocol.
func (c *Client) secure(protocol string) *tls.Config {
	config := c.config.TLS().Clone()
	config.NextProtos = []string{protocol}
	return config
}

// why prefers the reason the session was given up for to what followed from it.
func (s *session) why(err error) error {
	if cause := context.Cause(s.live); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// greet reads messages up to the Welcome.
func (s *session) greet() (wire.Welcome, error) {
	for {
		var down wire.Down
		if err := wire.Read(s.down, &down); err != nil {
			return wire.Welcome{}, err
		}
		if down.Error != nil {
			return wire.Welcome{}, down.Error
		}
		if down.Welcome == nil {
			continue
		}
		s.heard = time.Now()
		welcome := *down.Welcome
		if welcome.Heartbeat <= 0 || welcome.Timeout <= 0 {
			return wire.Welcome{}, errors.New("the manager's welcome has no heartbeat")
		}
		s.managers.learn(welcome.Managers)
		if s.config.Welcomed != nil {
			s.config.Welcomed(welcome)
		}
		return welcome, s.apply(down)
	}
}

// converse sends and receives until either ends.
func (s *session) converse(ctx context.Context, welcome wire.Welcome, info api.NodeInfo) error {
	s.beat, s.timeout = welcome.Heartbeat, welcome.Timeout
	if welcome.Host > 0 {
		if err := s.conn.Watch(welcome.Host); err != nil {
			s.log.Warn("only heartbeats will tell when the manager's host is gone", zap.Error(err))
		}
	}
	s.silence = time.AfterFunc(s.timeout, func() { s.cancel(fmt.Errorf("the manager was silent for %s", s.timeout)) })
	defer s.silence.Stop()
	s.alone = time.NewTimer(s.patience())
	defer s.alone.Stop()
	received := make(chan error, 1)
	go func() { received <- s.receive() }()
	look := time.NewTimer(infoInterval)
	defer look.Stop()
	soon := false
	for {
		var up wire.Up
		var statuses []api.TaskStatus
		select {
		case err := <-received:
			return err
		case <-ctx.Done():
			return s.leave(received)
		case <-s.alone.C:
		case <-s.config.Changed:
			s.transport.CloseIdleConnections() // the next stream shows the certificate in force
			soon = true
			look.Reset(0)
			continue
		case <-look.C:
			soon = false
			look.Reset(infoInterval)
			now := s.config.Info()
			if api.EqualSpec(now, info) {
				continue
			}
			info, up.Info = now, &now
		case <-s.config.Readdressed:
			own, here := s.own()
			if here {
				continue
			}
			s.managers.lose(own)
			err := fmt.Errorf("this host has not got %s any more, which the session goes by", own)
			s.cancel(err)
			<-received
			return err
		case <-s.config.Node.Ready():
			if err := sleep.For(s.live, statusPause); err != nil {
				continue // received tells why
			}
			statuses = s.config.Node.Take()
			if !soon {
				soon = true
				look.Reset(infoPause)
			}
		}
		if err := s.tell(up, statuses); err != nil {
			s.cancel(err)
			<-received
			return err
		}
	}
}

// own is the host's address that the session goes by, and whether it still has it: else
// nothing is heard on either side, which both would notice only by the silence.
func (s *session) own() (address netip.Addr, here bool) {
	at, err := netip.ParseAddrPort(s.conn.LocalAddr().String())
	address = at.Addr().Unmap().WithZone("")
	return address, err != nil || s.config.Here(address)
}

// leave says goodbye: the process ends on purpose.
func (s *session) leave(received <-chan error) error {
	stop := time.AfterFunc(time.Second, func() { s.cancel(context.Canceled) })
	defer stop.Stop()
	err := s.tell(wire.Up{}, s.config.Node.Take())
	err = errors.Join(err, s.send(wire.Up{Leaving: true}))
	err = errors.Join(err, s.up.CloseWrite()) // the manager ends the session by ending its side
	<-received
	return err
}

// maxStatuses is how many statuses one message has: some tens of KiB each at worst.
const maxStatuses = 200

// tell sends statuses, the first of them with up.
func (s *session) tell(up wire.Up, statuses []api.TaskStatus) error {
	for {
		n := min(len(statuses), maxStatuses)
		up.Statuses, statuses = statuses[:n], statuses[n:]
		if err := s.send(up); err != nil || len(statuses) == 0 {
			return err
		}
		up = wire.Up{}
	}
}

func (s *session) send(up wire.Up) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sent = time.Now()
	if s.alone != nil {
		s.alone.Reset(s.patience())
	}
	return wire.Write(s.up, up)
}

// patience is how long the node says nothing before it sends a heartbeat by itself. It
// is a little more than from one of the manager's to the next.
func (s *session) patience() time.Duration { return s.beat + s.beat/8 }

// answer is this node's heartbeat: it follows what the manager said, unless something
// has gone up lately. So a manager of many nodes, which speaks to some of them at a
// time, hears them at a time too (see package server/session).
func (s *session) answer() error {
	s.writing.Lock()
	quiet := time.Since(s.sent)
	s.writing.Unlock()
	if quiet < s.beat/2 {
		return nil
	}
	return s.send(wire.Up{})
}

// receive takes messages until the manager ends the session.
func (s *session) receive() error {
	for {
		var down wire.Down
		if err := wire.Read(s.down, &down); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the manager ended the session")
			}
			return err
		}
		s.silence.Reset(s.timeout)
		s.heard = time.Now()
		if down.Error != nil {
			return down.Error
		}
		if err := s.apply(down); err != nil {
			return err
		}
		if err := s.answer(); err != nil {
			return err
		}
	}
}

func (s *session) apply(down wire.Down) error {
	if whole, err := s.parts.Join(&down); !whole {
		return err
	}
	if down.Welcome != nil {
		s.managers.learn(down.Welcome.Managers)
		if s.config.Welcomed != nil {
			s.config.Welcomed(*down.Welcome)
		}
	}
	if open := down.Open; open != nil {
		s.streams.Go(func() { s.open(*open) })
	}
	if err := s.config.Node.Apply(down); err != nil {
		return fmt.Errorf("act on assignments: %w", err)
	}
	if down.Revision == 0 {
		return nil
	}
	return s.send(wire.Up{Applied: down.Revision})
}
