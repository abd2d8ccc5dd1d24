package compose

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/tree"
)

// keys is the tree of the Compose specification's keys. A child "*" stands for
// any name and "[]" for any item of a list; a leaf's value is not looked into.
type keys map[string]keys

var specification = func() keys {
	root := keys{}
	for _, path := range schema.AttributePaths() {
		at := root
		for _, part := range path.Parts() {
			if at[part] == nil {
				at[part] = keys{}
			}
			at = at[part]
		}
	}
	return root
}()

// child returns what may stand below key, and key's general form.
func (k keys) child(key string) (below keys, general string, found bool) {
	for _, general := range []string{key, "*"} {
		if below, found = k[general]; found {
			return below, general, true
		}
	}
	return nil, "", false
}

// supported are the keys of the specification that are not refused.
func supported() []tree.Path {
	return slices.DeleteFunc(slices.Clone(schema.AttributePaths()), func(path tree.Path) bool {
		_, refused := refusalOf(string(path))
		return refused
	})
}

// refusalOf says why a key, in its general form, or one above it is refused.
func refusalOf(pattern string) (string, bool) {
	for at := pattern; at != ""; at = parent(at) {
		if reason, refused := refusals[at]; refused {
			return reason, true
		}
	}
	return "", false
}
