package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// buffer is the size of the socket's buffers, in bytes. A transaction has to fit in
// one of them as a whole: 100 bytes an element, 500 a chain.
const buffer = 128 << 20

// space is orc's table in one network namespace.
type space struct {
	name      string // for errors
	namespace int    // a file descriptor
	sets      []set

	conn   *nftables.Conn // reads
	socket *netlink.Conn  // conn's own
	table  *nftables.Table

	listener *netlink.Conn // nil: nobody watches
}

// openSpace takes the table of a namespace in hand. The descriptor is copied.
func openSpace(name string, namespace int, sets []set) (*space, error) {
	fd, err := unix.FcntlInt(uintptr(namespace), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("keep the %s's network namespace: %w", name, err)
	}
	s := &space{
		name: name, namespace: fd, sets: sets,
		table: &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4},
	}
	if err := s.connect(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// connect opens a socket anew, since answers may be left unread in an old one.
func (s *space) connect() error {
	if s.conn != nil {
		if err := s.conn.CloseLasting(); err != nil {
			return fmt.Errorf("close nftables of the %s: %w", s.name, err)
		}
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(s.namespace),
		nftables.WithSockOptions(func(socket *netlink.Conn) error {
			s.socket = socket
			return errors.Join(socket.SetReadBuffer(buffer), socket.SetWriteBuffer(buffer))
		}))
	if err != nil {
		return fmt.Errorf("open nftables of the %s: %w", s.name, err)
	}
	s.conn = conn
	return s.deafen()
}

func (s *space) close() error {
	return errors.Join(s.conn.CloseLasting(), unix.Close(s.namespace))
}

// commit has the kernel make transactions, one after the other.
func (s *space) commit(what string, transactions ...transaction) error {
	for _, t := range transactions {
		if err := t.send(s.socket); err != nil {
			return errors.Join(fmt.Errorf("%s nftables of the %s: %w", what, s.name, err), s.connect())
		}
	}
	return nil
}

// replace makes the table have that and nothing else.
func (s *space) replace(c content, chains map[string]chain) error {
	var t transaction
	t.removeTable()
	t.addTable()
	all := repair{change: change{added: c.sets}, defined: s.sets, made: slices.Collect(maps.Keys(chains))}
	if err := t.build(s.sets, all, chains); err != nil {
		return err
	}
	return s.commit("write", t)
}

// apply makes one step, in three transactions. A packet may look into one map before
// one of them and into the next map, or chain, after it. What it may be sent on to is
// therefore there before, with its rules (the kernel takes a chain's rules as they were
// when the packet came into its table), and is still there afterwards.
func (s *space) apply(step step) error {
	adding, removing := step.change.split(s.sets)
	var opening, changing, closing transaction
	for _, class := range step.opened {
		opening.addChain(class.chain(), chain{})
		if err := opening.addRules(class.chain(), chain{rules: class.rules()}); err != nil {
			return err
		}
	}
	changing.change(s.sets, adding)
	closing.change(s.sets, removing)
	for _, class := range step.closed {
		closing.deleteChain(class.chain())
	}
	return s.commit("change", opening, changing, closing)
}

// mend makes a repair, which is not of the table as a whole, in three transactions: sets
// that are missing are there before a packet meets rules that look into them, and those
// that are not orc's, which may be an older orc's, are still there afterwards (see apply).
// Chains that stay are entered as ever: a packet meets all of their old rules, or all of
// their new ones.
func (s *space) mend(r repair, chains map[string]chain) error {
	var adding, changing, dropping transaction
	early := r.early(chains)
	if err := adding.build(s.sets, early, chains); err != nil {
		return err
	}
	r = r.late(early)
	for _, name := range slices.Concat(r.rewritten, r.deleted) {
		changing.flushChain(name)
	}
	changing.deleteElements(s.sets, r.gone)
	for _, set := range r.redefined {
		changing.deleteSet(set.name)
	}
	for _, name := range r.deleted {
		changing.deleteChain(name)
	}
	if err := changing.build(s.sets, r, chains); err != nil {
		return err
	}
	for _, name := range r.dropped {
		dropping.deleteSet(name)
	}
	return s.commit("mend", adding, changing, dropping)
}

// build adds what a repair says. The kernel enters a new chain before the transaction is
// complete, and drops what no rule accepts yet: those that it enters come last.
func (t *transaction) build(sets []set, r repair, chains map[string]chain) error {
	for i, set := range slices.Concat(r.defined, r.redefined) {
		t.addSet(set, uint32(i+1))
	}
	var entered []string
	for _, name := range r.made {
		if chains[name].base != nil {
			entered = append(entered, name)
			continue
		}
		t.addChain(name, chains[name])
	}
	t.addElements(sets, r.added)
	for _, name := range entered {
		t.addChain(name, chains[name])
	}
	for _, name := range slices.Concat(r.made, r.rewritten) {
		if err := t.addRules(name, chains[name]); err != nil {
			return err
		}
	}
	return nil
}

// remove leaves nothing of orc's.
func (s *space) remove() error {
	var t transaction
	t.removeTable()
	return s.commit("remove", t)
}

// held is the key that elements have it by.
func (s set) held(e nftables.SetElement) string {
	switch {
	case s.kind == exact:
		return string(e.Key)
	case s.kind == pairs:
		return string(e.Key) + string(e.KeyEnd)
	case e.IntervalEnd:
		return string(e.Key) + ended
	}
	return string(e.Key) + starts
}
