package network

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestATableOfConnectionsThatFillsUpIsTold(t *testing.T) {
	require.Equal(t, api.LevelOK, judgeTracked(0, 262144).Level)
	require.Equal(t, api.LevelOK, judgeTracked(200000, 262144).Level)
	require.Equal(t, api.LevelOK, judgeTracked(210000, 0).Level, "there is no limit")
	finding := judgeTracked(210000, 262144)
	require.Equal(t, api.LevelWarning, finding.Level)
	require.Contains(t, finding.Message, "210000 connections are tracked of at most 262144")
}
