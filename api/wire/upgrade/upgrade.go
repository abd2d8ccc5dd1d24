// Package upgrade turns the connection of an HTTP/1.1 request into one that carries
// messages both ways (RFC 9110, section 7.8). The request passes all that an HTTP
// server has before its handlers; from then on neither end keeps anything of HTTP for
// it, no stream, buffer or goroutine. It knows nothing of the messages.
package upgrade

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
)

// protocol is the name of what follows, in the Upgrade header.
const protocol = "orc-session"

// patience is how long a client may leave the answer unread, or what it was sent before
// it.
const patience = 5 * time.Second

const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"

// Mark makes a request ask for its connection.
func Mark(request *http.Request) {
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", protocol)
}

// Ask sends a request that asks for the connection. With an answer other than 101, in
// response, the connection stays HTTP's; else what is read comes from the Reader.
func Ask(conn net.Conn, request *http.Request) (io.Reader, *http.Response, error) {
	Mark(request)
	if err := request.Write(conn); err != nil {
		return nil, nil, fmt.Errorf("ask for the connection: %w", err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, nil, fmt.Errorf("read whether the connection is given: %w", err)
	}
	return reader, response, nil
}

// Accept takes the connection of a request from its server, which must return from
// the handler, and says so to the client. After an error that is an *api.Error the
// request can still be answered.
func Accept(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	if r.ProtoMajor != 1 || !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		return nil, api.Invalidf("this needs a connection of its own: HTTP/1.1 with Upgrade: %s", protocol)
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take the connection: %w", err)
	}
	if buffered.Reader.Buffered() > 0 {
		return nil, errors.Join(errors.New("take the connection: the client does not wait for the answer"), conn.Close())
	}
	err = conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = io.WriteString(conn, answer)
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("give the connection: %w", err), conn.Close())
	}
	return conn, nil
}
