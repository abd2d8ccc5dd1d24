package store

import (
	"slices"

	"github.com/orc-project/orc/api"
)

// tree is a persistent B-tree from strings to objects: a new version costs the
// path to what changed and shares the rest with the old one. It is chosen over a
// persistent radix tree for its size: an entry costs some 80 bytes, not 450, and
// a change half the time.
//
// The zero value is empty. Nodes that an edit does not own are never changed.
type tree struct {
	root *treeNode
	size int
}

// maxEntries is how many entries a leaf, or children an inner node, may have.
const maxEntries = 32

// treeNode is a leaf (keys and objects in step) or an inner node: then keys[i] is
// not greater than any key below children[i], nor less than any before it.
type treeNode struct {
	owner    *treeEdit
	keys     []string
	objects  []api.Object
	children []*treeNode
}

func (n *treeNode) leaf() bool { return n.children == nil }

// child is the index of the child below which the key belongs.
func (n *treeNode) child(key string) int {
	i, found := slices.BinarySearch(n.keys, key)
	if !found && i > 0 {
		i--
	}
	return i
}

func (t tree) get(key string) api.Object {
	n := t.root
	if n == nil {
		return nil
	}
	for !n.leaf() {
		n = n.children[n.child(key)]
	}
	if i, found := slices.BinarySearch(n.keys, key); found {
		return n.objects[i]
	}
	return nil
}

// from yields the entries from the key on, in order, until yield returns false.
func (t tree) from(key string, yield func(key string, object api.Object) bool) {
	if t.root != nil {
		t.root.from(key, yield)
	}
}

func (n *treeNode) from(key string, yield func(string, api.Object) bool) bool {
	if n.leaf() {
		i, _ := slices.BinarySearch(n.keys, key)
		for ; i < len(n.keys); i++ {
			if !yield(n.keys[i], n.objects[i]) {
				return false
			}
		}
		return true
	}
	for _, child := range n.children[n.child(key):] {
		if !child.from(key, yield) {
			return false
		}
	}
	return true
}

// treeEdit makes a new tree of one. It owns the nodes that it made, and changes
// those in place.
type treeEdit struct{ tree }

func (t tree) edit() *treeEdit { return &treeEdit{tree: t} }

// end returns the new tree. The edit must not be used any more.
func (e *treeEdit) end() tree { return e.tree }

// put returns the object that was there, or nil.
func (e *treeEdit) put(key string, object api.Object) api.Object {
	if e.root == nil {
		e.root = &treeNode{owner: e}
	}
	e.root = e.own(e.root)
	old := e.putBelow(e.root, key, object)
	if old == nil {
		e.size++
	}
	if right := e.split(e.root); right != nil {
		e.root = &treeNode{owner: e, keys: []string{e.root.keys[0], right.keys[0]}, children: []*treeNode{e.root, right}}
	}
	return old
}

func (e *treeEdit) putBelow(n *treeNode, key string, object api.Object) api.Object {
	if n.leaf() {
		i, found := slices.BinarySearch(n.keys, key)
		if found {
			old := n.objects[i]
			n.objects[i] = object
			return old
		}
		n.keys = slices.Insert(n.keys, i, key)
		n.objects = slices.Insert(n.objects, i, object)
		return nil
	}
	i := n.child(key)
	child := e.own(n.children[i])
	n.children[i] = child
	old := e.putBelow(child, key, object)
	n.keys[i] = child.keys[0]
	if right := e.split(child); right != nil {
		n.keys = slices.Insert(n.keys, i+1, right.keys[0])
		n.children = slices.Insert(n.children, i+1, right)
	}
	return old
}

// delete returns the object that was there, or nil.
func (e *treeEdit) delete(key string) api.Object {
	if e.get(key) == nil {
		return nil // nothing is copied for nothing
	}
	e.root = e.own(e.root)
	old := e.deleteBelow(e.root, key)
	e.size--
	for !e.root.leaf() && len(e.root.children) == 1 {
		e.root = e.root.children[0]
	}
	if e.size == 0 {
		e.root = nil
	}
	return old
}

func (e *treeEdit) deleteBelow(n *treeNode, key string) api.Object {
	if n.leaf() {
		i, _ := slices.BinarySearch(n.keys, key)
		old := n.objects[i]
		n.keys = slices.Delete(n.keys, i, i+1)
		n.objects = slices.Delete(n.objects, i, i+1)
		return old
	}
	i := n.child(key)
	child := e.own(n.children[i])
	n.children[i] = child
	old := e.deleteBelow(child, key)
	e.tidy(n, i)
	return old
}

// tidy removes the child if it is empty, and joins it with a neighbour when both
// together are half empty, so that trees shrink again.
func (e *treeEdit) tidy(n *treeNode, i int) {
	if len(n.children[i].keys) == 0 {
		n.keys = slices.Delete(n.keys, i, i+1)
		n.children = slices.Delete(n.children, i, i+1)
		return
	}
	n.keys[i] = n.children[i].keys[0]
	if i == len(n.children)-1 {
		i--
	}
	if i < 0 || len(n.children[i].keys)+len(n.children[i+1].keys) > maxEntries/2 {
		return
	}
	left, right := e.own(n.children[i]), n.children[i+1]
	left.keys = append(left.keys, right.keys...)
	left.objects = append(left.objects, right.objects...)
	left.children = append(left.children, right.children...)
	n.children[i] = left
	n.keys[i] = left.keys[0]
	n.keys = slices.Delete(n.keys, i+1, i+2)
	n.children = slices.Delete(n.children, i+1, i+2)
}

// split halves a node that is too full and returns the right half, or nil.
func (e *treeEdit) split(n *treeNode) *treeNode {
	if len(n.keys) <= maxEntries {
		return nil
	}
	half := len(n.keys) / 2
	right := &treeNode{owner: e, keys: slices.Clone(n.keys[half:])}
	clear(n.keys[half:])
	n.keys = n.keys[:half]
	if n.leaf() {
		right.objects = slices.Clone(n.objects[half:])
		clear(n.objects[half:])
		n.objects = n.objects[:half]
		return right
	}
	right.children = slices.Clone(n.children[half:])
	clear(n.children[half:])
	n.children = n.children[:half]
	return right
}

// own returns the node, or a copy that the edit may change.
func (e *treeEdit) own(n *treeNode) *treeNode {
	if n.owner == e {
		return n
	}
	return &treeNode{owner: e, keys: roomy(n.keys), objects: roomy(n.objects), children: roomy(n.children)}
}

// roomy copies a slice with room for one more. It keeps nil.
func roomy[T any](s []T) []T {
	if s == nil {
		return nil
	}
	return append(make([]T, 0, len(s)+1), s...)
}
