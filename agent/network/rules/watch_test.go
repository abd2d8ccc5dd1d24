package rules

import (
	"context"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// foreign is somebody else's connection to a namespace.
func foreign(t testing.TB, namespace netns.NsHandle) *nftables.Conn {
	t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(int(namespace)))
	require.NoError(t, err)
	return conn
}

// quiet is for how long nothing happens where nothing is to happen.
const quiet = 100 * time.Millisecond

func TestAWatchHearsOfOthersOnly(t *testing.T) {
	host, router := newNamespace(t), newNamespace(t)
	table, err := Open(int(host), int(router))
	require.NoError(t, err)
	defer func() { require.NoError(t, table.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed, err := table.Watch(ctx)
	require.NoError(t, err)
	_, err = table.Watch(ctx)
	require.Error(t, err, "one watch at a time")

	silent := func(why string) {
		t.Helper()
		select {
		case <-changed:
			t.Fatal("woken by ", why)
		case <-time.After(quiet):
		}
	}
	woken := func(why string) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Fatal("not woken by ", why)
		}
	}
	s := crowd(2000)
	require.NoError(t, table.Apply(s))
	require.NoError(t, table.router.connect(), "another socket is one's own, too")
	require.NoError(t, table.Apply(crowd(1999)))
	silent("the table's own changes")

	other := foreign(t, host)
	other.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyIPv4})
	require.NoError(t, other.Flush())
	silent("a change of a foreign table")

	for name, namespace := range map[string]netns.NsHandle{"host": host, "router": router} {
		other := foreign(t, namespace)
		other.FlushRuleset()
		require.NoError(t, other.Flush())
		woken("a flushed rule set")
		for more := true; more; { // the kernel tells of it in several messages
			select {
			case <-changed:
			case <-time.After(quiet):
				more = false
			}
		}
		found, err := table.Restore()
		require.NoError(t, err)
		require.Equal(t, []string{name + ": there is no table"}, found)
		silent("what was restored")
	}
	cancel()
	for range changed {
	}
}
