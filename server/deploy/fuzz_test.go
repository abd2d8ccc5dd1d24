package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// FuzzNormalizeImage shows that the full form of a reference is its own.
func FuzzNormalizeImage(f *testing.F) {
	for _, image := range []string{"web", "web:1.0", "localhost:5000/a/b@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "[::1]:5000/x", "a//b", "UPPER"} {
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image string) {
		full, err := NormalizeImage(image)
		if err != nil {
			require.Equal(t, api.CodeInvalid, api.CodeOf(err))
			return
		}
		again, err := NormalizeImage(full)
		require.NoError(t, err)
		require.Equal(t, full, again)
	})
}
