package seal

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func sealed(t *testing.T, key, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewStreamWriter(&out, key, []byte("header"))
	require.NoError(t, err)
	_, err = io.Copy(w, iotest.HalfReader(bytes.NewReader(plain)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = w.Write([]byte("more"))
	require.Error(t, err)
	return out.Bytes()
}

func opened(t *testing.T, key, text []byte, header string) ([]byte, error) {
	t.Helper()
	r, err := NewStreamReader(iotest.HalfReader(bytes.NewReader(text)), key, []byte(header))
	require.NoError(t, err)
	return io.ReadAll(r)
}

func TestAStreamIsWholeOrNothing(t *testing.T) {
	key := NewStreamKey()
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize} {
		plain := random(size)
		text := sealed(t, key, plain)
		back, err := opened(t, key, text, "header")
		require.NoError(t, err, size)
		require.True(t, bytes.Equal(plain, back), size)
		_, err = opened(t, key, text, "another")
		require.ErrorIs(t, err, ErrDamaged, size)
		_, err = opened(t, NewStreamKey(), text, "header")
		require.ErrorIs(t, err, ErrDamaged, size)
		_, err = opened(t, key, text[:len(text)-1], "header")
		require.ErrorIs(t, err, ErrDamaged, size)
		_, err = opened(t, key, append(bytes.Clone(text), 0), "header")
		require.ErrorIs(t, err, ErrDamaged, size)
	}
}

func TestChunksOfAStreamKeepTheirPlaces(t *testing.T) {
	const chunk = chunkSize + 16
	key := NewStreamKey()
	text := sealed(t, key, random(3*chunkSize))
	one, two, three := text[:chunk], text[chunk:2*chunk], text[2*chunk:]
	for name, parts := range map[string][][]byte{
		"swapped":         {two, one, three},
		"doubled":         {one, two, two, three},
		"left out":        {one, three},
		"the last is cut": {one, two},
		"all are cut":     {},
	} {
		_, err := opened(t, key, bytes.Join(parts, nil), "header")
		require.ErrorIs(t, err, ErrDamaged, name)
	}
}
