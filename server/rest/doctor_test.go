package rest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestAClockIsOffWhenItIsBeyondTheTimeOfAsking(t *testing.T) {
	asked := time.Unix(1000, 0)
	answered := asked.Add(3 * time.Second)
	for off, level := range map[time.Duration]api.Level{
		-time.Hour: api.LevelWarning, -500 * time.Millisecond: api.LevelOK, 2 * time.Second: api.LevelOK,
		4 * time.Second: api.LevelOK, 5 * time.Second: api.LevelWarning,
	} {
		require.Equal(t, level, examineClock(asked.Add(off), asked, answered).Level, off)
	}
	require.Contains(t, examineClock(asked.Add(-time.Hour), asked, answered).Message, "-1h0m0s")
}

func TestTheDoctorTellsOfNodesThatAreAway(t *testing.T) {
	m := newManager(t)
	findings, err := m.client.Doctor(m.ctx, "")
	require.NoError(t, err)
	require.NotEmpty(t, findings)
	for _, finding := range findings {
		require.Equal(t, api.LevelProblem, finding.Level)
		require.NotEmpty(t, finding.NodeName)
	}
}
