package limit

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// connection is one that counts for where it comes from or, when it is proven, for
// its name.
//
//	stranger ──▶ proven ──▶ closed
//	    └───────────┴──(makes room for another)──▶ closed
type connection struct {
	net.Conn
	gate *Gate

	// Guarded by the gate.
	source, site *account
	name         *account      // once it is proven
	place        *list.Element // among the strangers or the proven; nil when it counts no more

	mu     sync.Mutex // before the gate's
	closed bool
	end    *time.Timer
}

// NetConn is the connection below.
func (c *connection) NetConn() net.Conn { return c.Conn }

// admit counts a new connection for where it comes from; nil if it comes too fast.
// The other one has to be closed, if there is one: it has made room.
func (g *Gate) admit(raw net.Conn) (admitted, oldest *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	source, site := g.accounts(addressOf(raw.RemoteAddr()))
	if !source.handshakes.Allow() || !site.handshakes.Allow() {
		return nil, nil
	}
	switch {
	case source.connections >= g.limits.Strangers:
		oldest = g.strangers.oldest(source)
	case g.strangers.Len() >= g.limits.AllStrangers:
		oldest = g.strangers.oldestOfMost()
	}
	if oldest != nil {
		g.strangers.remove(oldest)
	}
	admitted = &connection{Conn: raw, gate: g, source: source, site: site}
	g.strangers.add(admitted)
	return admitted, oldest
}

func addressOf(address net.Addr) netip.Addr {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}

// errTooMany is that a name has no room for another connection.
var errTooMany = errors.New("too many connections by one certificate")

// prove lets the connection count for a name from now on, unless that has too many
// (errTooMany) or the connection has ended (net.ErrClosed). The other one has to be
// closed, if there is one: it has made room.
func (c *connection) prove(name string) (oldest *connection, err error) {
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.place == nil {
		return nil, net.ErrClosed
	}
	to := g.name(name)
	if to.connections >= g.limits.Connections {
		return nil, errTooMany
	}
	if g.proven.Len() >= g.limits.AllConnections {
		oldest = g.proven.oldestOfMost()
		g.proven.remove(oldest)
	}
	g.strangers.remove(c)
	g.proven.add(c, to)
	return oldest, nil
}

// hurry ends the connection after a while, whatever is going on.
func (c *connection) hurry(life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.end = time.AfterFunc(life, func() { c.Close() })
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		if c.end != nil {
			c.end.Stop()
		}
		c.gate.mu.Lock()
		switch {
		case c.place == nil: // it has made room
		case c.name != nil:
			c.gate.proven.remove(c)
		default:
			c.gate.strangers.remove(c)
		}
		c.gate.mu.Unlock()
	}
	return c.Conn.Close()
}

// strangers are the connections of those who have proved nothing, the oldest first.
type strangers struct{ list.List }

func (s *strangers) add(c *connection) {
	c.place = s.PushBack(c)
	c.source.connections++
	c.site.connections++
}

func (s *strangers) remove(c *connection) {
	s.Remove(c.place)
	c.place = nil
	c.source.connections--
	c.site.connections--
}

// oldest is the first one of a source.
func (s *strangers) oldest(of *account) *connection {
	for each := s.Front(); each != nil; each = each.Next() {
		if c := each.Value.(*connection); c.source == of {
			return c
		}
	}
	return nil
}

// oldestOfMost is the first one of the site that has most.
func (s *strangers) oldestOfMost() *connection {
	var most *connection
	for each := s.Front(); each != nil; each = each.Next() {
		if c := each.Value.(*connection); most == nil || c.site.connections > most.site.connections {
			most = c
		}
	}
	return most
}

// proven are the connections of those who have, the oldest first.
type proven struct{ list.List }

func (p *proven) add(c *connection, name *account) {
	c.name, c.place = name, p.PushBack(c)
	c.name.connections++
	c.source.proven++
}

func (p *proven) remove(c *connection) {
	p.Remove(c.place)
	c.place = nil
	c.name.connections--
	c.source.proven--
}

// oldestOfMost is the first one of the name that has most; of several, of the one whose
// source has most. So nodes that have the few that they need stay, also where somebody has
// as many names as he likes, or shares an address with them.
func (p *proven) oldestOfMost() *connection {
	var most *connection
	for each := p.Front(); each != nil; each = each.Next() {
		c := each.Value.(*connection)
		if most == nil || c.name.connections > most.name.connections ||
			c.name.connections == most.name.connections && c.source.proven > most.source.proven {
			most = c
		}
	}
	return most
}
