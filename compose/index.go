package compose

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

type position struct {
	file string
	line int
}

// index knows where each key of the files is. Of a key in several files, the
// last place counts, as the last value does.
type index struct {
	at      map[string]position
	scalars map[string]string // values by path
	dir     string            // of the first file
	files   int
}

func newIndex() *index {
	return &index{at: make(map[string]position), scalars: make(map[string]string)}
}

// holding returns the first path whose value has text in it.
func (i *index) holding(text string) (path string, found bool) {
	for _, path := range sortedKeys(i.scalars) {
		if strings.Contains(i.scalars[path], text) {
			return path, true
		}
	}
	return "", false
}

// short is a path as the first file would write it.
func (i *index) short(path string) string { return strings.TrimPrefix(path, i.dir+"/") }

// find returns the place of the dotted path, or of the nearest one above it.
func (i *index) find(path string) position {
	for {
		if at, found := i.at[path]; found || path == "" {
			return at
		}
		path = parent(path)
	}
}

// sets says whether a file sets a service's key, or that of a service that it
// extends.
func (i *index) sets(service, key string) bool {
	for range maxDepth { // services that extend each other are an error of the library
		if i.has(join(service, key)) {
			return true
		}
		base := i.scalars[service+".extends.service"]
		if base == "" {
			base = i.scalars[service+".extends"]
		}
		if base == "" {
			return false
		}
		service = "services." + base
	}
	return false
}

// maxDepth and maxNodes bound the walk: aliases can make a small file endless.
const (
	maxDepth = 64
	maxNodes = 200_000
)

// walker visits every key of a file that the specification may know.
type walker struct {
	file  string
	nodes int
	visit func(k step, value *yaml.Node) (descend bool)
}

// step is where a walk has come to.
type step struct {
	path    string // services.web.ports.0
	pattern string // services.*.ports.[]
	key     string
	above   keys // what may stand beside key
	below   keys // what may stand under it
	known   bool
	item    bool // of a list
	at      position
}

func (w *walker) walk(node *yaml.Node, from step, depth int) {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth || node == nil {
		return
	}
	switch node.Kind {
	case yaml.DocumentNode:
		for _, child := range node.Content {
			w.walk(child, from, depth+1)
		}
	case yaml.AliasNode:
		w.walk(node.Alias, from, depth+1)
	case yaml.SequenceNode:
		for i, child := range node.Content {
			next := from.enter(strconv.Itoa(i), position{w.file, child.Line})
			next.item, next.known = true, true
			if below, found := from.below["[]"]; found {
				next.below, next.pattern = below, join(from.pattern, "[]")
			} else {
				next.below, next.pattern = nil, from.pattern
			}
			if w.visit(next, child) && len(next.below) > 0 {
				w.walk(child, next, depth+1)
			}
		}
	case yaml.MappingNode:
		w.mapping(node, from, depth)
	}
}

func (w *walker) mapping(node *yaml.Node, from step, depth int) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" { // << brings keys in at the path of what it is in
			if value.Kind != yaml.SequenceNode {
				w.walk(value, from, depth+1)
				continue
			}
			for _, child := range value.Content {
				w.walk(child, from, depth+1)
			}
			continue
		}
		next := from.enter(key.Value, position{w.file, key.Line})
		var general string
		next.below, general, next.known = from.below.child(key.Value)
		if general == "" {
			general = key.Value
		}
		next.pattern = join(from.pattern, general)
		if w.visit(next, value) && (len(next.below) > 0 || value.Kind == yaml.SequenceNode) {
			w.walk(value, next, depth+1)
		}
	}
}

func (s step) enter(key string, at position) step {
	return step{path: join(s.path, key), key: key, above: s.below, at: at}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
