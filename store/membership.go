package store

import (
	"context"
	"errors"
)

// Member is one manager's part of the database.
//
//	AddLearner ──▶ learner ──(Promote, once it has caught up)──▶ voter ──Remove──▶ gone for good
//
// More than half of the voters must be there for anything to be written. A member
// that was removed never comes back: its manager joins as a new one.
type Member struct {
	ID uint64
	// Name is the node's ID; empty until the member has run for the first time.
	Name string
	// Address is where the other members reach it, host:port.
	Address string
	// Learner follows the voters and has no vote.
	Learner bool
}

// Membership is the database's members, as one of them sees and changes them. It
// guards no quorum: who changes members thinks of that before.
type Membership interface {
	// Self is this member's ID, Leader the one of the member that leads; 0 while
	// none does, or most members cannot be reached.
	Self() uint64
	Leader() uint64
	// Members lists them in the order of their IDs, as of every change before the
	// call. It fails while no member leads.
	Members(ctx context.Context) ([]Member, error)
	// Known is Members as this member last heard; it always answers.
	Known() []Member
	// AddLearner adds one at an address that no member has.
	AddLearner(ctx context.Context, address string) (Member, error)
	// Promote makes a learner a voter. The error is ErrBehind while it has not
	// caught up.
	Promote(ctx context.Context, id uint64) error
	// Remove removes a member, which ends by itself when it hears of it. Removing
	// one that is gone is no error.
	Remove(ctx context.Context, id uint64) error
	// Yield lets another member lead, if there is one; HandOver a certain voter. Both are
	// for the member that leads.
	Yield() error
	HandOver(ctx context.Context, id uint64) error
	// Writable says why nothing can be written through this member, as on a full disk or with damaged data.
	// It follows the others and votes all the same.
	Writable() error
	// Wrong says what is wrong with the members' data, if it is known not to be the same.
	Wrong() error
}

// The errors of a Membership, beside those of a Store.
var (
	// ErrBehind is the refusal to promote a learner that has not caught up.
	ErrBehind = errors.New("the learner has not caught up yet")
	// ErrRemoved says that this member was removed from the cluster. Its directory is
	// of no use any more.
	ErrRemoved = errors.New("this database is no longer one of the cluster's")
)
