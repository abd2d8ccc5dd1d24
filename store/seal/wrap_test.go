package seal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzUnlockKey shows that what is taken for an unlock key has a whole one in it.
func FuzzUnlockKey(f *testing.F) {
	_, text := NewUnlockKey()
	f.Add(text)
	f.Add(unlockPrefix)
	f.Fuzz(func(t *testing.T, text string) {
		wrap, err := UnlockKey(text)
		if err != nil {
			return
		}
		sealed, err := wrap.Seal("test", []byte("x"))
		require.NoError(t, err)
		plain, err := wrap.Open("test", sealed)
		require.NoError(t, err)
		require.Equal(t, "x", string(plain))
	})
}
