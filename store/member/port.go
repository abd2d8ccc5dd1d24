package member

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.uber.org/zap"

	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/store"
)

// port is where the other managers reach this member. It is not etcd's own, which
// would check certificates by the roots that it was started with, and none of them
// twice: here who is not to be there any more is put out, and does not come back.
type port struct {
	listener net.Listener
	server   *http.Server
	tls      TLS
	served   sync.WaitGroup

	mu   sync.Mutex
	open map[*tls.Conn]tls.ConnectionState // those that are let in
	shut bool                              // nobody is any more
}

// listen opens the port. What others send waits until serve.
func listen(address string, config TLS) (*port, error) {
	listener, err := newListener(address)
	if err != nil {
		return nil, err
	}
	p := &port{listener: listener, tls: config, open: make(map[*tls.Conn]tls.ConnectionState)}
	return p, nil
}

// serve lets handler answer those who are let in, and gate keep everybody else from
// being a burden.
func (p *port) serve(handler http.Handler, members membership, gate *limit.Gate, log *zap.Logger) error {
	quiet, err := zap.NewStdLogAt(log.Named("port"), zap.DebugLevel) // what strangers do is nothing to act on
	if err != nil {
		return fmt.Errorf("serve the other managers: %w", err)
	}
	p.server = &http.Server{
		Handler: p.guard(prompt(handler), members), ErrorLog: quiet, ReadHeaderTimeout: rafthttp.ConnReadTimeout,
		Protocols: new(http.Protocols), ConnState: p.follow,
	}
	p.server.Protocols.SetHTTP1(true) // all that etcd speaks
	proven := func(state tls.ConnectionState) (string, bool) {
		return state.PeerCertificates[0].Subject.CommonName, true
	}
	listener := gate.Listen(p.listener, p.config(), proven, log.Named("port"))
	p.served.Go(func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			log.Error("the port for other managers failed", zap.Error(err))
		}
	})
	return nil
}

// config wants a certificate of everybody, and the right one.
func (p *port) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			config := p.tls.Inbound.Clone()
			if p.tls.Inbound.GetConfigForClient != nil {
				chosen, err := p.tls.Inbound.GetConfigForClient(hello)
				if err != nil {
					return nil, err
				}
				config = chosen.Clone()
			}
			config.MinVersion, config.NextProtos, config.ClientAuth = tls.VersionTLS13, []string{"http/1.1"}, tls.RequireAnyClientCert
			config.SessionTicketsDisabled = true // every connection is verified anew
			config.VerifyConnection = p.tls.Verify
			return config, nil
		},
		// crypto/tls wants to see a certificate here too.
		GetCertificate: p.tls.Inbound.GetCertificate,
	}
}

// membership is what the database itself knows of its members.
type membership interface {
	Known() []store.Member
	// left says whether there was a member of that ID, which was removed.
	left(id string) bool
}

// unending keeps from the sender of a message what would end it for good. etcd has 403 also
// for what is meant for another member, which comes to this one when it has got an address
// that was another's (that 3.7 answers 500 instead is a slip: its error's WriteTo is not the
// one that is looked for); and 410 without asking what was agreed on. Whom to say it to is
// the guard's to decide.
type unending struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *unending) WriteHeader(status int) {
	if status == http.StatusForbidden || status == http.StatusGone {
		status = http.StatusServiceUnavailable // it tries again
	}
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, which etcd's streams need.
func (w *unending) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

// Unwrap is for http.ResponseController.
func (w *unending) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// guard hears nobody who was removed. One whose member is still there is heard: its
// member goes first, or the quorum could go with it.
//
// A member gives up for good, database and all, when it is told that it was removed.
// So only one is told of which the database knows, and that by the word of those it was
// one of: who was removed and came back as another member is not to be ended by a manager
// that has slept through that, nor those who are well by one that was forced to go on
// without them. Whether they are out they find out for themselves.
func (p *port) guard(handler http.Handler, members membership) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left := members.left(r.Header.Get("X-Server-From"))
		if !left && !p.gone(*r.TLS, members.Known()) {
			handler.ServeHTTP(&unending{w}, r)
			return
		}
		w.Header().Set("Connection", "close")
		status := http.StatusServiceUnavailable
		if left && (p.tls.Agreed == nil || p.tls.Agreed(r.TLS.PeerCertificates[0])) {
			status = http.StatusForbidden // what etcd takes for it from a message,
			if r.Method == http.MethodGet {
				status = http.StatusGone // and from a stream
			}
		}
		http.Error(w, "this manager was removed from the cluster", status)
	})
}

func (p *port) gone(state tls.ConnectionState, known []store.Member) bool {
	certificate := state.PeerCertificates[0]
	if p.tls.Removed == nil || !p.tls.Removed(certificate) {
		return false
	}
	for _, each := range known {
		if each.Name == certificate.Subject.CommonName {
			return false
		}
	}
	return true
}

// recheck ends the connections that would not be let in now.
func (p *port) recheck(known []store.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for connection, state := range p.open {
		if p.tls.Verify(state) != nil || p.gone(state, known) {
			connection.NetConn().Close()
		}
	}
}

// connections is how many there are from the member of that name.
func (p *port) connections(name string) (count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, state := range p.open {
		if state.PeerCertificates[0].Subject.CommonName == name {
			count++
		}
	}
	return count
}

// follow notes a connection whose handshake is done, until it has ended. It is checked
// once more then: whom recheck did not find yet might have come in before it.
func (p *port) follow(connection net.Conn, state http.ConnState) {
	secure, ok := connection.(*tls.Conn)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		if shown := secure.ConnectionState(); !p.shut && p.tls.Verify(shown) == nil {
			p.open[secure] = shown
			return
		}
		secure.NetConn().Close()
	case http.StateClosed:
		delete(p.open, secure)
	}
}

// cut ends all connections, and lets nobody in any more.
func (p *port) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	for connection := range p.open {
		connection.NetConn().Close()
	}
}

// close ends the port and all connections.
func (p *port) close() error {
	if p == nil {
		return nil
	}
	err := p.listener.Close()
	if p.server != nil {
		err = p.server.Close()
	}
	p.served.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
