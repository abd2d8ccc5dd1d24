package session

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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
	heard     time.Time // the last message since the welcome; receive's while it runs

	todo  chan wire.Down // what receive has read and act has not begun
	begun chan struct{}  // closed once act may send
	over  chan struct{}  // closed when nothing more comes
	parts wire.Parts     // act's

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
	// By itself: a manager reads little before it knows whom it has.
	told := s.send(wire.Up{Hello: hello})
	if told == nil {
		told = s.tell(wire.Up{}, s.config.Node.Statuses(s.live))
	}
	welcome, err := s.greet() // which may say why telling failed
	if err = cmp.Or(err, told); err != nil || !late.Stop() || !early() {
		return false, s.why(err)
	}
	s.longest = cmp.Or(welcome.Retry, lastPause)
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
		s.todo <- down // the first
		return welcome, nil
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
	close(s.begun)
	received := make(chan error, 1)
	go func() { received <- s.receive() }()
	look := time.NewTimer(infoInterval)
	defer look.Stop()
	soon, looking, looked := false, false, make(chan api.NodeInfo)
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
			if !looking {
				looking = true
				go s.look(looked)
			} else {
				look.Reset(infoPause)
			}
			continue
		case now := <-looked:
			soon, looking = false, false
			look.Reset(infoInterval)
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

// look finds out what there is to tell of the node. A disk that hangs can make it last.
func (s *session) look(looked chan<- api.NodeInfo) {
	info := s.config.Info()
	select {
	case looked <- info:
	case <-s.live.Done():
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
