package dns

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionsOfAMapDoNotChange(t *testing.T) {
	entries := map[string]int{}
	for i := range 1000 {
		entries[strconv.Itoa(i)] = i
	}
	var empty Map[string, int]
	first := empty.With(entries)
	second := first.With(map[string]int{"7": 70, "new": 1}, "8", "never there")

	_, found := empty.Get("7")
	require.False(t, found)
	for key, want := range entries {
		got, found := first.Get(key)
		require.True(t, found)
		require.Equal(t, want, got)

		got, found = second.Get(key)
		switch key {
		case "7":
			require.Equal(t, 70, got)
		case "8":
			require.False(t, found)
		default:
			require.Equal(t, want, got)
		}
	}
	_, found = first.Get("new")
	require.False(t, found)
	got, _ := second.Get("new")
	require.Equal(t, 1, got)
}

func TestWhatIsRemovedAndSetIsSet(t *testing.T) {
	m := Map[string, int]{}.With(map[string]int{"a": 1}).With(map[string]int{"a": 2}, "a")
	got, found := m.Get("a")
	require.True(t, found)
	require.Equal(t, 2, got)
}
