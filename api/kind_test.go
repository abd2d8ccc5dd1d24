package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewObjectMakesEveryKind(t *testing.T) {
	for _, kind := range Kinds {
		object := NewObject(kind)
		require.NotNil(t, object, kind)
		require.Equal(t, kind, object.Kind())
	}
	require.Nil(t, NewObject("no-such-kind"))
}
