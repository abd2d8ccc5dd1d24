package api

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseToken shows that what is taken for a join token is one, and is written
// as it was read.
func FuzzParseToken(f *testing.F) {
	f.Add("ORC-1-" + "add65e506e03743fc996e909dd1a4f2843a8df112f8498d74e138e9ae4fe7d21" + "-e41aql0hj84mvcn91th83ntk2")
	f.Add("ORC-1--")
	f.Add(" ORC-1-00-x\n")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			require.Equal(t, CodeInvalid, CodeOf(err))
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := ParseToken(token.String())
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}

// FuzzDuration shows that a duration comes back as it was understood.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{`"1h30m"`, `"-5s"`, `"0"`, `5`, `null`, `"9223372036854775807ns"`, `"1e3s"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var duration Duration
		if json.Unmarshal(data, &duration) != nil {
			return
		}
		again, err := json.Marshal(duration)
		require.NoError(t, err)
		var second Duration
		require.NoError(t, json.Unmarshal(again, &second))
		require.Equal(t, duration, second)
	})
}
