package spec

import (
	"slices"
	"strings"
)

// Merge adds items to a list; one with the key of an older one replaces it in
// its place. The result is a new list.
func Merge[T any](list, more []T, key func(T) string) []T {
	result := slices.Clone(list)
	for _, item := range more {
		at := slices.IndexFunc(result, func(old T) bool { return key(old) == key(item) })
		if at < 0 {
			result = append(result, item)
		} else {
			result[at] = item
		}
	}
	return result
}

// Remove leaves out the items whose key is among keys, and returns nil when none
// is left. The result is a new list.
func Remove[T any](list []T, keys []string, key func(T) string) []T {
	var result []T
	for _, item := range list {
		if !slices.Contains(keys, key(item)) {
			result = append(result, item)
		}
	}
	return result
}

// EnvName is the key of an environment entry.
func EnvName(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}

// Itself is the key of texts that are their own key.
func Itself(text string) string { return text }
