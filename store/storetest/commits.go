package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
)

var commits = map[string]func(*testing.T, Backend){
	"an object comes back as it was, with the commit's revision as version": comesBack,
	"a commit is in every process's view":                                   everyProcess,
	"create fails when the object exists":                                   createExists,
	"update fails when the object changed, is gone or never was":            updateConflicts,
	"delete fails when the object changed":                                  deleteConflicts,
	"require fails when another object changed, and writes nothing":         requireConflicts,
	"set and remove ask nothing":                                            unconditional,
	"all of a transaction or nothing":                                       allOrNothing,
	"what a transaction may not be":                                         refused,
	"the limits of a transaction":                                           limits,
	"a transaction without effect":                                          withoutEffect,
	"indexes follow changes":                                                indexes,
	"what was committed or read does not change afterwards":                 immutable,
	"one of many who update the same version wins":                          oneWins,
}

func comesBack(t *testing.T, b Backend) {
	s := open(t, b)
	healthy := true
	status := &api.TaskStatus{
		Meta: api.Meta{ID: "t1", Created: time.Date(2031, 2, 3, 4, 5, 6, 789, time.UTC)}, Node: "n1", State: api.TaskRunning,
		Message: "läuft \x00 \"ok\"", Healthy: &healthy, Addresses: map[string]netip.Addr{"net": netip.MustParseAddr("10.0.0.7")},
		Attempts: []api.Attempt{{Container: "c1", Started: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC), ExitCode: -1}},
		Checks:   []api.CheckResult{{Duration: api.Duration(time.Second), Output: strings.Repeat("x", 4096)}},
	}
	want := *status
	revision := commit(t, s, func(tx *store.Tx) { tx.Create(status) })
	want.Version = revision
	require.Equal(t, &want, store.Get[api.TaskStatus](at(t, s, revision), "t1"))

	for i, kind := range api.Kinds {
		object := api.NewObject(kind)
		object.Header().ID = fmt.Sprint("any-", i)
		create(t, s, object)
	}
}

func everyProcess(t *testing.T, b Backend) {
	one, two := open(t, b), open(t, b)
	revision := commit(t, one, func(tx *store.Tx) { tx.Create(task("t1")) })
	linearized, err := two.Linearized(patient(t))
	require.NoError(t, err)
	require.GreaterOrEqual(t, linearized, revision)
	require.NotNil(t, store.Get[api.Task](at(t, two, linearized), "t1"))

	three := open(t, b)
	require.NotNil(t, store.Get[api.Task](latest(t, three), "t1"), "a process that comes later")
}

func createExists(t *testing.T, b Backend) {
	s := open(t, b)
	create(t, s, task("t1"))
	_, err := try(t, s, func(tx *store.Tx) { tx.Create(task("t1")) })
	require.ErrorIs(t, err, store.ErrConflict)
	create(t, s, &api.TaskStatus{Meta: api.Meta{ID: "t1"}}) // of another kind
}

func updateConflicts(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1")), "t1")
	second := commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) })
	_, err := try(t, s, func(tx *store.Tx) { tx.Update(changed(first, "third")) })
	require.ErrorIs(t, err, store.ErrConflict)
	got := store.Get[api.Task](latest(t, s), "t1")
	require.Equal(t, "second", got.Reason)
	require.Equal(t, second, got.Version)

	commit(t, s, func(tx *store.Tx) { tx.Delete(got) })
	_, err = try(t, s, func(tx *store.Tx) { tx.Update(changed(got, "fourth")) })
	require.ErrorIs(t, err, store.ErrConflict)
	never := task("never")
	never.Version = second
	_, err = try(t, s, func(tx *store.Tx) { tx.Update(never) })
	require.ErrorIs(t, err, store.ErrConflict)
	require.Zero(t, store.Count[api.Task](latest(t, s)))
}

func deleteConflicts(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1")), "t1")
	commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) })
	_, err := try(t, s, func(tx *store.Tx) { tx.Delete(first) })
	require.ErrorIs(t, err, store.ErrConflict)
	second := store.Get[api.Task](latest(t, s), "t1")
	commit(t, s, func(tx *store.Tx) { tx.Delete(second) })
	_, err = try(t, s, func(tx *store.Tx) { tx.Delete(second) })
	require.ErrorIs(t, err, store.ErrConflict)
	require.Nil(t, store.Get[api.Task](latest(t, s), "t1"))
}

func requireConflicts(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1")), "t1")
	commit(t, s, func(tx *store.Tx) { tx.Require(first); tx.Create(task("t2")) })
	commit(t, s, func(tx *store.Tx) { tx.Require(task("none")); tx.Create(task("t3")) }) // none exists
	commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) })
	_, err := try(t, s, func(tx *store.Tx) { tx.Require(first); tx.Create(task("t4")) })
	require.ErrorIs(t, err, store.ErrConflict)
	require.Nil(t, store.Get[api.Task](latest(t, s), "t4"))
}

func unconditional(t *testing.T, b Backend) {
	s := open(t, b)
	commit(t, s, func(tx *store.Tx) { tx.Set(task("t1")); tx.Set(service("s1", "web")) })
	commit(t, s, func(tx *store.Tx) { tx.Set(changed(task("t1"), "again")); tx.Set(service("s1", "api")) })
	got := latest(t, s)
	require.Equal(t, "again", store.Get[api.Task](got, "t1").Reason)
	require.Equal(t, "api", store.Get[api.Service](got, "s1").Name)
	for range 2 {
		commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindTask, "t1"); tx.Remove(api.KindService, "s1") })
	}
	require.Zero(t, store.Count[api.Task](latest(t, s)))
	require.Zero(t, store.Count[api.Service](latest(t, s)))
	commit(t, s, func(tx *store.Tx) { tx.Create(task("t1")) })
}

func allOrNothing(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1"), task("t2")), "t1")
	commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) })
	before := latest(t, s)
	_, err := try(t, s, func(tx *store.Tx) {
		tx.Create(task("t3"))
		tx.Remove(api.KindTask, "t2")
		tx.Set(service("s1", "web"))
		tx.Update(changed(first, "third"))
	})
	require.ErrorIs(t, err, store.ErrConflict)
	require.Empty(t, store.Diff(before, latest(t, s)))
	create(t, s, service("s2", "web")) // the name was not left taken
}

func refused(t *testing.T, b Backend) {
	s := open(t, b)
	for name, fill := range map[string]func(*store.Tx){
		"two operations on one object": func(tx *store.Tx) { tx.Create(task("t1")); tx.Remove(api.KindTask, "t1") },
		"an object without an ID":      func(tx *store.Tx) { tx.Create(task("")) },
		"an unknown kind":              func(tx *store.Tx) { tx.Remove("no-such-kind", "t1") },
	} {
		_, err := try(t, s, fill)
		require.Error(t, err, name)
	}
	require.Zero(t, store.Count[api.Task](latest(t, s)))
	for name, status := range map[string]api.TaskStatus{
		"text that is not UTF-8":    {Message: "half a \xe3\x81"},
		"a time without a calendar": {Since: time.Unix(1<<40, 0)},
		"a time of the year 10000":  {Since: time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600)).UTC()},
	} {
		status.ID = "t1"
		_, err := try(t, s, func(tx *store.Tx) { tx.Create(&status) })
		require.ErrorIs(t, err, store.ErrUnreadable, name)
	}
	create(t, s, &api.TaskStatus{Meta: api.Meta{ID: "t1"}, Message: "the next one is seen"})
}

func limits(t *testing.T, b Backend) {
	s := open(t, b)
	fill := func(count int, name string) func(*store.Tx) {
		return func(tx *store.Tx) {
			for i := range count {
				tx.Set(service(fmt.Sprintf("s%05d", i), fmt.Sprint(name, i)))
			}
		}
	}
	last := fmt.Sprintf("s%05d", store.MaxOps-1)
	_, err := try(t, s, fill(store.MaxOps+1, "old"))
	require.ErrorIs(t, err, store.ErrTooLarge)
	for _, name := range []string{"old", "new"} { // to change names costs most
		got := commitLarge(t, s, fill(store.MaxOps, name), func(got *store.Snapshot) bool {
			service := store.Get[api.Service](got, last)
			return service != nil && service.Name == fmt.Sprint(name, store.MaxOps-1)
		})
		require.Equal(t, store.MaxOps, store.Count[api.Service](got))
	}

	_, err = try(t, s, func(tx *store.Tx) {
		for i := range 16 {
			tx.Set(&api.Secret{Meta: api.Meta{ID: fmt.Sprint(i)}, Name: strings.Repeat("x", store.MaxBytes/16)})
		}
	})
	require.ErrorIs(t, err, store.ErrTooLarge)
	got := commitLarge(t, s, func(tx *store.Tx) {
		tx.Create(&api.Task{Meta: api.Meta{ID: "big"}, Reason: strings.Repeat("x", store.MaxBytes-4096)})
	}, func(got *store.Snapshot) bool { return store.Get[api.Task](got, "big") != nil })
	require.Zero(t, store.Count[api.Secret](got))
}

// commitLarge returns the view in which a large transaction is written. On a busy
// machine a database may give up waiting for its own answer.
func commitLarge(t *testing.T, s store.Store, fill func(*store.Tx), written func(*store.Snapshot) bool) *store.Snapshot {
	t.Helper()
	if _, err := try(t, s, fill); err != nil {
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
	w := s.Watch()
	defer w.Close()
	for {
		if got := next(t, w).Snapshot; written(got) {
			return got
		}
	}
}

func withoutEffect(t *testing.T, b Backend) {
	s := open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1")), "t1")
	before := latest(t, s)
	commit(t, s, func(*store.Tx) {})
	commit(t, s, func(tx *store.Tx) { tx.Require(first) })
	commit(t, s, func(tx *store.Tx) { tx.Remove(api.KindTask, "none") })
	require.Equal(t, before.Revision(), latest(t, s).Revision())
	commit(t, s, func(tx *store.Tx) { tx.Update(changed(first, "second")) })
	_, err := try(t, s, func(tx *store.Tx) { tx.Require(first) })
	require.ErrorIs(t, err, store.ErrConflict)
}

func indexes(t *testing.T, b Backend) {
	s := open(t, b)
	placed := task("t1")
	placed.Node = "n1"
	got := create(t, s, placed, task("t2"))
	count := func(index store.Index, value string) (n int) {
		for range store.Find[api.Task](got, index, value) {
			n++
		}
		return n
	}
	require.Equal(t, 2, count(store.ByService, "service"))
	require.Equal(t, 1, count(store.ByNode, "n1"))
	moved := *store.Get[api.Task](got, "t1")
	moved.Node = "n2"
	got = at(t, s, commit(t, s, func(tx *store.Tx) { tx.Update(&moved); tx.Remove(api.KindTask, "t2") }))
	require.Equal(t, 1, count(store.ByService, "service"))
	require.Equal(t, 0, count(store.ByNode, "n1"))
	require.Equal(t, 1, count(store.ByNode, "n2"))
}

func immutable(t *testing.T, b Backend) {
	s := open(t, b)
	app := &api.App{Meta: api.Meta{ID: "a1"}, Name: "shop"}
	one := create(t, s, app)
	app.Name = "changed by its maker"
	old := store.Get[api.App](one, "a1")
	require.Equal(t, "shop", old.Name)
	next := *old
	next.Current = 7
	two := at(t, s, commit(t, s, func(tx *store.Tx) { tx.Update(&next) }))
	require.Zero(t, store.Get[api.App](one, "a1").Current, "the old view")
	require.Equal(t, 7, store.Get[api.App](two, "a1").Current)
	require.Less(t, one.Revision(), two.Revision())
}

func oneWins(t *testing.T, b Backend) {
	s, other := open(t, b), open(t, b)
	first := store.Get[api.Task](create(t, s, task("t1")), "t1")
	const writers = 16
	ctx, results := patient(t), make(chan error, writers)
	for i := range writers {
		via := []store.Store{s, other}[i%2]
		go func() { results <- update(ctx, via, changed(first, fmt.Sprint(i))) }()
	}
	won := 0
	for range writers {
		if err := <-results; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, store.ErrConflict)
		}
	}
	require.Equal(t, 1, won)
}

func update(ctx context.Context, s store.Store, object api.Object) error {
	var tx store.Tx
	tx.Update(object)
	_, err := s.Commit(ctx, &tx)
	return err
}
