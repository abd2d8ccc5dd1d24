package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// EqualSpec says whether two specs mean the same: their JSON is equal, in which
// nil and empty are one.
func EqualSpec(a, b any) bool {
	first, err := json.Marshal(a)
	second, secondErr := json.Marshal(b)
	return err == nil && secondErr == nil && bytes.Equal(first, second)
}

// DiffSpec lists in words what differs between two specs of one type, by the
// names that JSON has for the fields: "container.image: clock:1.0 → clock:2.0".
// Secret content and credentials are not shown.
func DiffSpec(a, b any) []string {
	var lines []string
	diff(&lines, "", generic(a), generic(b))
	return lines
}

// hidden are fields whose values must not be shown.
var hidden = []string{"registryAuth", "data"}

func diff(lines *[]string, path string, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	first, isMap := a.(map[string]any)
	second, areMaps := b.(map[string]any)
	if isMap && (areMaps || b == nil) || areMaps && a == nil {
		keys := maps.Clone(first)
		if keys == nil {
			keys = make(map[string]any)
		}
		maps.Copy(keys, second)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			at := key
			if path != "" {
				at = path + "." + key
			}
			if slices.Contains(hidden, key) {
				if !reflect.DeepEqual(first[key], second[key]) {
					*lines = append(*lines, at+": changed")
				}
				continue
			}
			diff(lines, at, first[key], second[key])
		}
		return
	}
	if diffLists(lines, path, a, b) {
		return
	}
	*lines = append(*lines, fmt.Sprintf("%s: %s → %s", path, show(a), show(b)))
}

// identities are the fields that tell the elements of a list apart, the first that
// an element has: of attachments, dependencies, mounts and files.
var identities = []string{"network", "service", "target", "source"}

// diffLists compares lists whose elements can be told apart, element by element:
// "container.secrets[/run/secrets/key].version: 1 → 2". It is false for others,
// and when only the order differs.
func diffLists(lines *[]string, path string, a, b any) bool {
	first, ok := byIdentity(a)
	second, alsoOK := byIdentity(b)
	if !ok || !alsoOK || reflect.DeepEqual(first, second) {
		return false
	}
	keys := maps.Clone(first)
	maps.Copy(keys, second)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := path + "[" + key + "]"
		if first[key] == nil || second[key] == nil {
			*lines = append(*lines, fmt.Sprintf("%s: %s → %s", at, show(first[key]), show(second[key])))
			continue
		}
		diff(lines, at, first[key], second[key])
	}
	return true
}

func byIdentity(list any) (map[string]any, bool) {
	elements, ok := list.([]any)
	if !ok && list != nil {
		return nil, false
	}
	found := make(map[string]any)
	for _, element := range elements {
		fields, ok := element.(map[string]any)
		if !ok {
			return nil, false
		}
		at := slices.IndexFunc(identities, func(name string) bool { return fields[name] != nil })
		if at < 0 {
			return nil, false
		}
		id := fmt.Sprint(fields[identities[at]])
		if found[id] != nil {
			return nil, false
		}
		found[id] = element
	}
	return found, len(found) > 0 || list == nil
}

func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "(none)"
	case string:
		return v
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// generic is a value as JSON's own types.
func generic(value any) any {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	var result any
	if err := json.Unmarshal(data, &result); err != nil {
		return string(data)
	}
	return result
}
