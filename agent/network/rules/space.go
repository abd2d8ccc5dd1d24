package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// buffer is the size of the socket's buffers, in bytes. A transaction has to fit in
// one of them as a whole: 100 bytes an element, 500 a chain, and as much for the
// kernel's answers.
const buffer = 128 << 20

// batch is how many elements go into one message: its length is a number of 16 bits.
const batch = 400

// space is orc's table in one network namespace.
type space struct {
	name      string // for errors
	namespace int    // a file descriptor
	sets      []set

	conn   *nftables.Conn
	socket *netlink.Conn // conn's own
	table  *nftables.Table
	own    []netlink.Message // noted, beside what conn has: see original

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

// commit sends what was noted as one transaction: all of it is done, or nothing.
func (s *space) commit(what string) error {
	err := s.conn.Flush()
	if err == nil {
		err = s.commitOwn()
	}
	if err == nil {
		return nil
	}
	s.own = nil
	return errors.Join(fmt.Errorf("%s nftables of the %s: %w", what, s.name, err), s.connect())
}

// replace makes the table have that and nothing else. The kernel enters a new chain
// before the transaction is complete, and drops what no rule accepts yet: those
// that it enters come last.
func (s *space) replace(c content, chains map[string]chain) error {
	s.noteRemoval()
	s.conn.AddTable(s.table)
	for i, set := range s.sets {
		defined := set.define(s.table)
		defined.ID = uint32(i + 1)
		if err := s.conn.AddSet(defined, nil); err != nil {
			return fmt.Errorf("define set %s: %w", set.name, err)
		}
	}
	for name, chain := range chains {
		if chain.base == nil {
			s.noteChain(name, chain)
		}
	}
	if err := s.noteSets(c.sets, s.conn.SetAddElements); err != nil {
		return err
	}
	for name, chain := range chains {
		if chain.base != nil {
			s.noteChain(name, chain)
		}
	}
	for name, chain := range chains {
		if err := s.noteRules(name, chain); err != nil {
			return err
		}
	}
	return s.commit("write")
}

// apply makes one step, in three transactions. A packet may look into one map before
// one of them and into the next map, or chain, after it. What it may be sent on to is
// therefore there before, with its rules (the kernel takes a chain's rules as they were
// when the packet came into its table), and is still there afterwards.
func (s *space) apply(step step) error {
	adding, removing := step.change.split(s.sets)
	if len(step.opened) > 0 {
		for _, class := range step.opened {
			s.noteChain(class.chain(), chain{})
			if err := s.noteRules(class.chain(), chain{rules: class.rules()}); err != nil {
				return err
			}
		}
		if err := s.commit("change"); err != nil {
			return err
		}
	}
	if !adding.empty() {
		if err := s.noteChange(adding); err != nil {
			return err
		}
		if err := s.commit("change"); err != nil {
			return err
		}
	}
	if err := s.noteChange(removing); err != nil {
		return err
	}
	for _, class := range step.closed {
		s.conn.DelChain(&nftables.Chain{Name: class.chain(), Table: s.table})
	}
	return s.commit("change")
}

// mend makes a repair, which is not of the table as a whole.
func (s *space) mend(r repair, chains map[string]chain) error {
	for _, name := range r.rewritten {
		s.conn.FlushChain(&nftables.Chain{Name: name, Table: s.table})
	}
	for _, name := range r.deleted {
		s.conn.FlushChain(&nftables.Chain{Name: name, Table: s.table})
	}
	if err := s.noteSets(r.gone, s.conn.SetDeleteElements); err != nil {
		return err
	}
	for _, name := range r.deleted {
		s.conn.DelChain(&nftables.Chain{Name: name, Table: s.table})
	}
	for _, guest := range r.guests {
		s.conn.DelSet(guest)
	}
	for _, name := range r.made {
		s.noteChain(name, chains[name])
	}
	if err := s.noteSets(r.added, s.conn.SetAddElements); err != nil {
		return err
	}
	for _, name := range r.made {
		if err := s.noteRules(name, chains[name]); err != nil {
			return err
		}
	}
	for _, name := range r.rewritten {
		if err := s.noteRules(name, chains[name]); err != nil {
			return err
		}
	}
	return s.commit("mend")
}

// remove leaves nothing of orc's.
func (s *space) remove() error {
	s.noteRemoval()
	return s.commit("remove")
}

// noteRemoval deletes the table, and is no error if there is none.
func (s *space) noteRemoval() {
	s.conn.AddTable(s.table)
	s.conn.DelTable(s.table)
}

// noteChain adds a chain.
func (s *space) noteChain(name string, chain chain) {
	added := &nftables.Chain{Name: name, Table: s.table}
	if b := chain.base; b != nil {
		added.Type, added.Hooknum, added.Priority, added.Policy = b.kind, b.hook, b.priority, &b.policy
	}
	s.conn.AddChain(added)
}

// noteRules adds a chain's rules; the chains that they go to are there.
func (s *space) noteRules(name string, chain chain) error {
	for _, rule := range chain.rules {
		if rule.own() {
			if err := s.noteOwn(name, rule); err != nil {
				return err
			}
			continue
		}
		s.conn.AddRule(&nftables.Rule{Table: s.table, Chain: &nftables.Chain{Name: name}, Exprs: rule})
	}
	return nil
}

// noteChange deletes and adds elements.
func (s *space) noteChange(c change) error {
	if err := s.noteSets(c.gone, s.conn.SetDeleteElements); err != nil {
		return err
	}
	return s.noteSets(c.added, s.conn.SetAddElements)
}

// noteSets notes elements of all sets.
func (s *space) noteSets(sets map[string]elements, note func(*nftables.Set, []nftables.SetElement) error) error {
	for _, set := range s.sets {
		if err := s.noteElements(set, sets[set.name], note); err != nil {
			return err
		}
	}
	return nil
}

// noteElements notes that elements are added or deleted, in order.
func (s *space) noteElements(set set, elements elements, note func(*nftables.Set, []nftables.SetElement) error) error {
	defined := set.define(s.table)
	noted := make([]nftables.SetElement, 0, len(elements))
	for key, data := range elements {
		noted = append(noted, set.element(key, data))
	}
	if set.kind == prefixes {
		slices.SortFunc(noted, func(a, b nftables.SetElement) int { return strings.Compare(set.held(a), set.held(b)) })
	}
	for some := range slices.Chunk(noted, batch) {
		if err := note(defined, some); err != nil {
			return fmt.Errorf("write elements of %s: %w", set.name, err)
		}
	}
	return nil
}

// element makes the library's element.
func (s set) element(key, data string) nftables.SetElement {
	var e nftables.SetElement
	switch s.kind {
	case exact:
		e.Key = []byte(key)
	case prefixes:
		e.Key, e.IntervalEnd = []byte(key[:len(key)-1]), key[len(key)-1:] == ended
	case pairs:
		e.Key, e.KeyEnd = []byte(key[:len(key)/2]), []byte(key[len(key)/2:])
	}
	switch {
	case s.verdicts():
		e.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: data}
	case data != "":
		e.Val = []byte(data)
	}
	return e
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
