package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// contents are a tree's entries as it yields them.
func contents(t tree) (all []string) {
	t.from("", func(key string, object api.Object) bool {
		all = append(all, key+"="+object.(*api.Task).Reason)
		return true
	})
	return all
}

func model(m map[string]string) (all []string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, key+"="+m[key])
	}
	return all
}

// checkTree compares a tree with what it should have and looks at its shape.
func checkTree(t *testing.T, got tree, want map[string]string) {
	t.Helper()
	require.Equal(t, model(want), contents(got))
	require.Equal(t, len(want), got.size)
	for key, value := range want {
		require.Equal(t, value, got.get(key).(*api.Task).Reason)
	}
	require.Nil(t, got.get("no such key"))
	var check func(n *treeNode, depth int) int
	check = func(n *treeNode, depth int) int {
		require.NotEmpty(t, n.keys)
		require.LessOrEqual(t, len(n.keys), maxEntries)
		if n.leaf() {
			require.Len(t, n.objects, len(n.keys))
			return depth
		}
		require.Len(t, n.children, len(n.keys))
		deepest := check(n.children[0], depth+1)
		for _, child := range n.children[1:] {
			require.Equal(t, deepest, check(child, depth+1), "all leaves are equally deep")
		}
		return deepest
	}
	if got.root != nil {
		check(got.root, 0)
	}
}

func TestATreeIsWhatAMapIsAndOldTreesStay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type version struct {
		tree tree
		want map[string]string
	}
	var versions []version
	now, want := tree{}, map[string]string{}
	for round := range 60 {
		edit := now.edit()
		// Grow for a while, then shrink to nothing.
		for range 100 {
			key := fmt.Sprint(random.IntN(2000))
			if (random.IntN(10) < 7) == (round < 30) {
				old := edit.put(key, &api.Task{Reason: fmt.Sprint(round)})
				_, existed := want[key]
				require.Equal(t, existed, old != nil)
				want[key] = fmt.Sprint(round)
			} else {
				old := edit.delete(key)
				_, existed := want[key]
				require.Equal(t, existed, old != nil)
				delete(want, key)
			}
		}
		now = edit.end()
		versions = append(versions, version{now, maps.Clone(want)})
	}
	edit := now.edit()
	for key := range want {
		require.NotNil(t, edit.delete(key))
	}
	require.Nil(t, edit.end().root)
	for _, v := range versions {
		checkTree(t, v.tree, v.want)
	}
}

func TestWalkingFromAKey(t *testing.T) {
	edit := tree{}.edit()
	for i := range 500 {
		edit.put(fmt.Sprintf("%04d", 2*i), &api.Task{})
	}
	for _, from := range []int{0, 1, 2, 499, 500, 997, 998, 999} {
		var got []string
		edit.end().from(fmt.Sprintf("%04d", from), func(key string, _ api.Object) bool {
			got = append(got, key)
			return len(got) < 3
		})
		var want []string
		for i := (from + 1) / 2; i < 500 && len(want) < 3; i++ {
			want = append(want, fmt.Sprintf("%04d", 2*i))
		}
		require.Equal(t, want, got, from)
	}
}

// FuzzTree: each byte is a key; upper bits say whether to put or delete and
// whether to go on from a new version.
func FuzzTree(f *testing.F) {
	f.Add([]byte("hello, tree"))
	f.Add([]byte(strings.Repeat("\x01\x02\x81\x03\x84", 100)))
	f.Fuzz(func(t *testing.T, steps []byte) {
		want := map[string]string{}
		edit := tree{}.edit()
		for i, step := range steps {
			key := fmt.Sprint(int(step)*(i%7) + int(step&3))
			if step&0x80 == 0 {
				edit.put(key, &api.Task{Reason: fmt.Sprint(i)})
				want[key] = fmt.Sprint(i)
			} else {
				edit.delete(key)
				delete(want, key)
			}
			if step&0x40 != 0 {
				edit = edit.end().edit()
			}
		}
		checkTree(t, edit.end(), want)
	})
}
