package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// large is a message with the state of that many services.
func large(services int) Down {
	state := &NetworkState{Services: Changes[Service]{Set: make(map[string]Service), Gone: []string{"gone"}}}
	for i := range services {
		state.Services.Set[fmt.Sprintf("service%022d", i)] = Service{
			Name:     fmt.Sprintf("shop_service-%d", i),
			Networks: map[string]ServiceNetwork{"front": {Virtual: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Aliases: []string{"www"}}},
		}
	}
	down := message()
	down.Welcome, down.Network = &Welcome{Cluster: "c"}, state
	return down
}

// sizeOf is what a message takes on the wire.
func sizeOf(t testing.TB, down Down) int {
	var pipe bytes.Buffer
	require.NoError(t, Write(&pipe, down))
	return pipe.Len()
}

func TestALargeStateGoesInPartsOfBoundedSize(t *testing.T) {
	down := large(30_000)
	split, err := down.Split()
	require.NoError(t, err)
	require.Greater(t, len(split), 5)
	require.Equal(t, Down{Welcome: down.Welcome}, split[0], "it opens a session")
	var parts Parts
	for i, each := range split {
		require.Less(t, sizeOf(t, each), MaxPart+1024)
		whole, err := parts.Join(&each)
		require.NoError(t, err)
		require.Equal(t, i == 0 || i == len(split)-1, whole, "message %d of %d", i, len(split))
		if i == len(split)-1 {
			want := down
			want.Welcome = nil
			require.Equal(t, want, each)
		}
	}

	small := large(10)
	split, err = small.Split()
	require.NoError(t, err)
	require.Equal(t, []Down{small}, split, "most messages go as they are")
	whole, err := parts.Join(&split[0])
	require.NoError(t, err)
	require.True(t, whole, "after a large one too")
}

func TestPartsThatDoNotFitTogetherAreAnError(t *testing.T) {
	split, err := large(10_000).Split()
	require.NoError(t, err)
	last := len(split) - 1
	require.Greater(t, last, 3)
	for name, messages := range map[string][]Down{
		"one is missing":        append(append([]Down{}, split[:2]...), split[3:]...),
		"one comes twice":       append(append([]Down{}, split[:3]...), split[2:]...),
		"all are missing":       split[last:],
		"another is in between": append(append([]Down{}, split[:3]...), Down{Revision: 1}),
		"they say nothing":      {{Part: []byte{0xff}}, {Parts: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var parts Parts
			for i, each := range messages {
				whole, err := parts.Join(&each)
				if err != nil {
					require.False(t, whole)
					require.Equal(t, len(messages)-1, i, "not before it can be known: %v", err)
					return
				}
			}
			t.Fatal("nobody minds")
		})
	}

	var parts Parts
	_, err = parts.Join(&split[1])
	require.NoError(t, err)
	removed := Down{Full: true}
	whole, err := parts.Join(&removed)
	require.NoError(t, err)
	require.True(t, whole, "a complete message needs no parts")
	require.Nil(t, removed.Network)
}

func TestPartsWithoutEndAreRefused(t *testing.T) {
	var parts Parts
	piece := bytes.Repeat([]byte{0x5f}, 8<<20)
	for range MaxState / len(piece) {
		_, err := parts.Join(&Down{Part: piece})
		require.NoError(t, err)
	}
	whole, err := parts.Join(&Down{Part: []byte{1}})
	require.ErrorContains(t, err, "larger than")
	require.False(t, whole)
}

// FuzzJoin shows that no parts break who puts them together.
func FuzzJoin(f *testing.F) {
	encoded, err := Marshal(large(2).Network)
	require.NoError(f, err)
	f.Add(encoded, 10)
	f.Add([]byte{0xa1, 0x04, 0xbf}, 1)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = max(0, min(at, len(data)))
		var parts Parts
		count := 0
		for _, piece := range [][]byte{data[:at], data[at:]} {
			if len(piece) == 0 {
				continue
			}
			count++
			if whole, err := parts.Join(&Down{Part: piece}); whole || err != nil {
				t.Fatal("a part is no message", err)
			}
		}
		down := Down{Parts: count}
		whole, err := parts.Join(&down)
		if whole != (err == nil) {
			t.Fatal("an error is no message")
		}
		if whole && count > 0 {
			sizeOf(t, down) // what is read can be sent on
		}
	})
}
