// Package wire is what managers and nodes tell each other: plain structs in CBOR
// (RFC 8949) over mutual TLS. It holds the messages and their framing, never a
// connection.
//
// # Session
//
// A node dials out and asks by POST /v1/session for the connection itself (package
// upgrade): Up messages go up, Down messages come down. The first Up carries Hello,
// the first Down carries Welcome and the complete assignments; later ones only
// what changed. A node's assignments are all that it may know.
//
// # Streams
//
// What a manager wants of a node by the byte (logs, exec, stats, images) it asks
// for with Down.Open; the node answers by POST /v1/streams/{id} over a second
// connection, HTTP/2, with both bodies open, and both sides speak Frames. So a
// session's heartbeats wait for no image on its way.
package wire

import (
	"reflect"
	"time"

	"github.com/orc-project/orc/api"
)

// Protocol is the version of these messages. A manager refuses a node whose
// Protocol is newer than its own. The first one was spoken over HTTP/2 streams, and
// is refused too.
const Protocol = 2

// MaxMessage is the largest encoded Up or Down, in bytes.
const MaxMessage = 16 << 20

// MaxUp is the largest encoded Up, in bytes: a manager has thousands of nodes, and
// does not trust them.
const MaxUp = 8 << 20

// maxUpItems is how many data items (RFC 8949, section 1.2) an Up may have: a byte
// of CBOR can become hundreds of memory. Two hundred statuses have some ten
// thousand.
const maxUpItems = 1 << 18

// MaxHello is the largest encoded first Up, in bytes, and maxHelloItems how many data
// items it may have: it comes before a session counts for anything. An older node sends
// statuses with it.
const (
	MaxHello      = 512 << 10
	maxHelloItems = 1 << 14
)

// maxAnswerItems is how many data items an answer to a DoRequest may have, which is a
// frame: of MaxFrame bytes, one of images has less.
const maxAnswerItems = 1 << 17

// Up is a message from a node. Every field may be absent; an empty one is a
// heartbeat.
type Up struct {
	Hello *Hello `cbor:"1,keyasint,omitempty"`
	// Statuses are those that changed, whole. After the Hello of a new session the node
	// sends all of them once.
	Statuses []api.TaskStatus `cbor:"2,keyasint,omitempty"`
	// Info replaces what Hello said of the node.
	Info *api.NodeInfo `cbor:"3,keyasint,omitempty"`
	// Applied is the Down.Revision that the node has acted on in full.
	Applied int64 `cbor:"4,keyasint,omitempty"`
	// Leaving says that the process ends on purpose (upgrade, shutdown): its
	// containers go on, and it should be back within the node timeout.
	Leaving bool `cbor:"5,keyasint,omitempty"`
}

// Hello opens a session. Who the node is, its certificate says.
type Hello struct {
	Protocol int          `cbor:"1,keyasint"`
	Session  string       `cbor:"2,keyasint"` // a new random ID per connection
	Info     api.NodeInfo `cbor:"3,keyasint"`
}

// Down is a message from a manager. Every field may be absent; an empty one is a
// heartbeat.
type Down struct {
	Welcome *Welcome `cbor:"1,keyasint,omitempty"`
	// Full says that Tasks are all there are: the node forgets what is not there.
	Full bool `cbor:"2,keyasint,omitempty"`
	// Specs are needed by Tasks of this or later messages, by api.RevisionID. The
	// node drops one when its last task goes.
	Specs map[string]api.ServiceSpec `cbor:"3,keyasint,omitempty"`
	// Tasks to add or to replace.
	Tasks []Assignment `cbor:"4,keyasint,omitempty"`
	// Removed are IDs of tasks to stop and forget.
	Removed []string `cbor:"5,keyasint,omitempty"`
	// Revision of the store that this message brings the node to.
	Revision int64 `cbor:"6,keyasint,omitempty"`
	// Open asks the node for a stream.
	Open *Open `cbor:"7,keyasint,omitempty"`
	// Files are the contents of secrets and configs, by FileID.
	Files map[string][]byte `cbor:"8,keyasint,omitempty"`
	// Error ends the session: for the node's log and for its user.
	Error *api.Error `cbor:"9,keyasint,omitempty"`
	// Network is what changed of the networks; it is to be acted on before Tasks. Full
	// without it is what a node hears that was removed from the cluster.
	Network *NetworkState `cbor:"10,keyasint,omitempty"`
	// Settled is a revision of the store that every node has acted on: what was
	// withdrawn before it gets no new connection from anywhere.
	Settled int64 `cbor:"11,keyasint,omitempty"`
	// Part is a piece of an encoded NetworkState, alone in its message. The message
	// after the last piece says in Parts how many there were, and has no Network: it
	// is their sum. Nothing of it is acted on before. See Split.
	Part  []byte `cbor:"12,keyasint,omitempty"`
	Parts int    `cbor:"13,keyasint,omitempty"`
	// Ended are tasks of the node whose end the store has: nobody is told to send to
	// their addresses after Revision.
	Ended []string `cbor:"14,keyasint,omitempty"`
}

// Heartbeat says that there is nothing in the message.
func (d Down) Heartbeat() bool { return reflect.ValueOf(d).IsZero() }

// Welcome answers Hello.
type Welcome struct {
	Node    api.Node `cbor:"1,keyasint"`
	Cluster string   `cbor:"2,keyasint"` // api.Cluster.Identity
	// Heartbeat is how often the manager sends something. The node answers whatever it
	// hears, unless it has sent something within half of that, and sends something by
	// itself when it has not for a little longer. Timeout is after how much silence either
	// side takes the other for dead.
	Heartbeat time.Duration `cbor:"3,keyasint"`
	Timeout   time.Duration `cbor:"4,keyasint"`
	// Managers are the addresses (host:port) of all managers, to try next.
	Managers []string `cbor:"5,keyasint"`
	// Roots are the CA certificates in force (PEM).
	Roots []byte `cbor:"6,keyasint"`
	// DataPort is api.Settings.DataPort, set.
	DataPort uint16 `cbor:"7,keyasint,omitempty"`
	// Host, if set, is after how much silence of the other's kernel the connection is
	// to be broken: it is shorter than Timeout.
	Host time.Duration `cbor:"8,keyasint,omitempty"`
	// Issuer is the digest of the root that the node's certificate is to be of; empty for
	// any. A node that has another is to renew it at a random moment within RenewWithin.
	Issuer      string        `cbor:"9,keyasint,omitempty"`
	RenewWithin time.Duration `cbor:"10,keyasint,omitempty"`
	// Retry is the longest that a node waits between two tries to find a manager: a few
	// may ask often, many at once must not.
	Retry time.Duration `cbor:"11,keyasint,omitempty"`
}

// Assignment is a task for the node, with what it takes to run it beside its
// spec.
type Assignment struct {
	Task        api.Task `cbor:"1,keyasint"`
	ServiceName string   `cbor:"2,keyasint"`
	AppName     string   `cbor:"3,keyasint,omitempty"`
	NodeName    string   `cbor:"4,keyasint"`
}

// SpecID is the key of the assignment's spec in Down.Specs.
func (a Assignment) SpecID() string { return api.RevisionID(a.Task.Service, a.Task.Revision) }

// FileID is the key of a secret's or config's content in Down.Files.
func FileID(ref api.FileReference) string { return api.RevisionID(ref.ID, ref.Version) }
