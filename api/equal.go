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
	*lines = append(*lines, fmt.Sprintf("%s: %s → %s", path, show(a), show(b)))
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
