package cli

import (
	"maps"
	"slices"
	"strings"
)

// filters are the keys that a list can be filtered by. Values of one key are
// alternatives; keys must all fit, as with Docker.
type filters[T any] map[string]func(item T, value string) bool

// apply keeps the items that fit all of the KEY=VALUE conditions.
func (f filters[T]) apply(items []T, conditions []string) ([]T, error) {
	wanted := make(map[string][]string)
	for _, condition := range conditions {
		key, value, found := strings.Cut(condition, "=")
		if _, known := f[key]; !known || !found {
			return nil, usagef("--filter %q: want KEY=VALUE with one of %s", condition, strings.Join(slices.Sorted(maps.Keys(f)), ", "))
		}
		wanted[key] = append(wanted[key], value)
	}
	var kept []T
	for _, item := range items {
		fits := true
		for key, values := range wanted {
			fits = fits && slices.ContainsFunc(values, func(value string) bool { return f[key](item, value) })
		}
		if fits {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

// hasLabel fits "key" or "key=value".
func hasLabel(labels map[string]string, condition string) bool {
	key, want, valued := strings.Cut(condition, "=")
	value, found := labels[key]
	return found && (!valued || value == want)
}
