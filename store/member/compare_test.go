package member_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// spoil changes one value in the file of a member that does not run, as none of etcd's
// checks of its files would notice.
func spoil(t *testing.T, config member.Config) {
	t.Helper()
	db, err := bolt.Open(member.File(config.Dir), 0o600, nil)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Update(func(tx *bolt.Tx) error {
		keys := tx.Bucket([]byte("key"))
		cursor := keys.Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if bytes.Contains(value, []byte("what was written")) {
				return keys.Put(bytes.Clone(key), bytes.Replace(value, []byte("what was"), []byte("what WAS"), 1))
			}
		}
		return errors.New("it has nothing to spoil")
	}))
}

// compacted has members write, compact and compare their data until done.
func compacted(t *testing.T, by *member.Member, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); {
		require.Less(t, time.Since(began), time.Minute)
		_, err := by.Client().Put(patient(t), "/b", "and so on")
		require.NoError(t, err)
		require.NoError(t, by.Forget(patient(t)))
		time.Sleep(500 * time.Millisecond)
	}
}

func TestDataThatIsNotThatOfMostIsFound(t *testing.T) {
	member.CompareOften(t)
	members, configs := three(t, membertest.Config(t))
	_, err := members[0].Client().Put(patient(t), "/a", "what was written")
	require.NoError(t, err)
	_, err = members[2].Client().Get(patient(t), "/a") // it has it too
	require.NoError(t, err)
	require.NoError(t, members[2].Stop())
	spoil(t, configs[2])
	configs[2].Peers = nil
	damaged := membertest.Start(t, configs[2])
	require.NoError(t, damaged.Writable())

	compacted(t, members[0], func() bool { return damaged.Writable() != nil })
	require.ErrorIs(t, damaged.Writable(), store.ErrUnavailable)
	require.ErrorContains(t, damaged.Writable(), "is not that of most other managers")
	for _, well := range members[:2] {
		require.NoError(t, well.Writable())
		require.NoError(t, well.Wrong())
		_, err := well.Client().Put(patient(t), "/c", "they go on")
		require.NoError(t, err)
	}

	// Of the two that are left when a good one is away, nobody knows who is right.
	require.NoError(t, members[1].Stop())
	compacted(t, members[0], func() bool { return members[0].Wrong() != nil })
	require.ErrorContains(t, members[0].Wrong(), "too few have answered")
	require.NoError(t, members[0].Writable())
}

func TestTheAlarmForDamagedDataIsForAPersonToEnd(t *testing.T) {
	m := membertest.Start(t, membertest.Config(t))
	require.NoError(t, m.Corrupt(patient(t)))
	time.Sleep(5 * time.Second) // upkeep has looked at it
	_, err := m.Client().Put(patient(t), "/a", "1")
	require.ErrorContains(t, err, "corrupt")
}
