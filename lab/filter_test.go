package lab

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// twoHosts are n1 and n2 of a lab in which nothing runs.
func twoHosts(t *testing.T) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a lab needs root")
	}
	l, err := create(Options{Dir: t.TempDir(), Name: "t", Managers: 2, Binary: "/bin/true"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Down(context.Background())) })
	require.NoError(t, l.makeNetwork())
	return l
}

// socket is a node's.
func socket(t *testing.T, n *Node) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	require.NoError(t, n.Dial(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: n.Address().AsSlice()})
		return err
	}))
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// arrived is how many of a hundred packets come from one socket to another.
func arrived(t *testing.T, from, to *net.UDPConn) int {
	t.Helper()
	for range 100 {
		_, err := from.WriteTo([]byte("x"), to.LocalAddr())
		require.NoError(t, err)
	}
	count, packet := 0, make([]byte, 1)
	for {
		require.NoError(t, to.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		if _, err := to.Read(packet); err != nil {
			return count
		}
		count++
	}
}

func TestAFilterLosesWhatItSaysAndNoMore(t *testing.T) {
	l := twoHosts(t)
	a, b := socket(t, l.Nodes()[0]), socket(t, l.Nodes()[1])
	require.Equal(t, 100, arrived(t, a, b))

	require.NoError(t, l.Filter("deaf", Drop{To: "n2"}))
	require.Zero(t, arrived(t, a, b))
	require.Equal(t, 100, arrived(t, b, a))
	require.NoError(t, l.Unfilter("deaf"))
	require.Equal(t, 100, arrived(t, a, b))

	require.NoError(t, l.Filter("split", Drop{From: "n1", To: "n2"}, Drop{From: "n2", To: "n1"}))
	require.NoError(t, l.Filter("other", Drop{From: "n3"}))
	require.Zero(t, arrived(t, a, b))
	require.Zero(t, arrived(t, b, a))
	require.NoError(t, l.Unfilter("split"))
	require.Equal(t, 100, arrived(t, a, b), "the other filter is not about these")

	require.NoError(t, l.Filter("lossy", Drop{From: "n1", Percent: 50}))
	some := arrived(t, a, b)
	require.Greater(t, some, 5)
	require.Less(t, some, 95)
	require.NoError(t, l.Unfilter("lossy"))
	require.NoError(t, l.Unfilter("lossy"), "there is nothing to do")
}

func TestOneLookFindsTheContainersOfAllNodes(t *testing.T) {
	l := twoHosts(t)
	shim := filepath.Join(t.TempDir(), "containerd-shim-runc-v2")
	// The shell's name is its first argument's, as exec -a of a shim's would be.
	require.NoError(t, os.WriteFile(shim, []byte("sleep 1000 & wait\n"), 0o700))
	for _, node := range l.Nodes() {
		cmd := node.Command(t.Context(), "/bin/sh", shim, "-id", "of-"+node.Name())
		cmd.Args[0] = shim
		require.NoError(t, inNamespace(l.namespace(node.Name()), cmd.Start))
		t.Cleanup(func() { cmd.Wait() })
	}
	require.Eventually(t, func() bool {
		found, err := l.Containers()
		require.NoError(t, err)
		return len(found["n1"]) == 1 && len(found["n2"]) == 1
	}, waitLong, 20*time.Millisecond)
	found, err := l.Containers()
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"n1": {"of-n1"}, "n2": {"of-n2"}}, found)
	spent, err := l.Spent()
	require.NoError(t, err)
	require.Len(t, spent, 4)
}
