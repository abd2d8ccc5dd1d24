package seal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	r := NewRing()
	for _, value := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("secret"), 1000)} {
		sealed := r.Seal("/orc/a", value)
		require.Len(t, sealed, len(value)+Overhead)
		require.NotContains(t, string(sealed), "secret")
		require.NotEqual(t, sealed, r.Seal("/orc/a", value), "the same value twice")
		got, err := r.Open("/orc/a", sealed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(value, got))
	}
}

func TestOpenRefuses(t *testing.T) {
	r := NewRing()
	sealed := r.Seal("/orc/a", []byte("value"))
	_, err := r.Open("/orc/b", sealed)
	require.ErrorIs(t, err, ErrDamaged, "moved from another key")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err := r.Open("/orc/a", changed)
		require.Error(t, err, "byte %d", i)
		_, err = r.Open("/orc/a", sealed[:i])
		require.ErrorIs(t, err, ErrDamaged)
	}
	_, err = NewRing().Open("/orc/a", sealed)
	require.ErrorIs(t, err, ErrUnknownKey, "another ring")
}

func TestRotation(t *testing.T) {
	r := NewRing()
	first := r.Active()
	tag := r.Tag("service", "web")
	old := r.Seal("a", []byte("old"))
	second := r.Add()
	require.NotEqual(t, second, r.Active())
	require.NoError(t, r.Use(second))
	sealed := r.Seal("a", []byte("new"))
	require.True(t, r.Stale(old))
	require.False(t, r.Stale(sealed))

	behind := NewRing()
	_, err := behind.Open("a", sealed)
	require.ErrorIs(t, err, ErrUnknownKey)

	for _, each := range [][]byte{old, sealed} {
		_, err := r.Open("a", each)
		require.NoError(t, err)
	}
	require.Error(t, r.Drop(second), "in use")
	require.NoError(t, r.Drop(first))
	_, err = r.Open("a", old)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.Equal(t, []uint32{second}, r.IDs())
	require.Equal(t, tag, r.Tag("service", "web"))
	require.Error(t, r.Use(first))

	require.False(t, behind.Has(second))
	behind.Learn(r)
	require.True(t, behind.Has(second))
	_, err = behind.Open("a", sealed)
	require.NoError(t, err)
}

func TestTagsTellKindsAndNamesApart(t *testing.T) {
	r := NewRing()
	require.Equal(t, r.Tag("service", "web"), r.Tag("service", "web"))
	require.NotEqual(t, r.Tag("service", "web"), r.Tag("network", "web"))
	require.NotEqual(t, r.Tag("service", "web"), r.Tag("service", "api"))
	require.NotEqual(t, r.Tag("service", "web"), NewRing().Tag("service", "web"))
	require.Len(t, r.Tag("service", "web"), 32)
}

func FuzzOpen(f *testing.F) {
	r := NewRing()
	f.Add("a", r.Seal("a", []byte("value")))
	f.Add("a", []byte{})
	f.Add("a", []byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, where string, sealed []byte) {
		value, err := r.Open(where, sealed)
		if err == nil && len(value) != len(sealed)-Overhead {
			t.Fatal("the length does not fit")
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	good, err := NewRing().Marshal()
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"keys":{"1":"AA=="},"active":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := Unmarshal(data); err == nil {
			_, err := r.Open("a", r.Seal("a", []byte("value")))
			require.NoError(t, err)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	r, value := NewRing(), make([]byte, 300)
	for b.Loop() {
		if _, err := r.Open("/orc/task/1", r.Seal("/orc/task/1", value)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhatIsDerivedStaysTheSame(t *testing.T) {
	ring := NewRing()
	first := ring.Derive("a")
	require.Equal(t, first, ring.Derive("a"))
	require.NotEqual(t, first, ring.Derive("b"))
	require.NotEqual(t, first, NewRing().Derive("a"))
	old := ring.Active()
	require.NoError(t, ring.Use(ring.Add()))
	require.NoError(t, ring.Drop(old))
	data, err := ring.Marshal()
	require.NoError(t, err)
	again, err := Unmarshal(data)
	require.NoError(t, err)
	require.Equal(t, first, again.Derive("a"), "after a rotation, and on another manager")
}
