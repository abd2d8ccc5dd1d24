package rest

import (
	"slices"
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

func TestTheDoctorTellsWhatIsWrongWithManagers(t *testing.T) {
	m := newManager(t)
	cluster := api.Finding{NodeName: "m2", Subject: "cluster", Level: api.LevelProblem, Message: "m2 went on alone"}
	full := api.Finding{Node: "n2id", NodeName: "n2", Subject: "manager", Level: api.LevelProblem, Message: "its disk is full"}
	m.others.found = []api.Finding{cluster, full}
	for node, told := range map[string]bool{"": true, "n1": false, "n2": true} {
		found, err := m.client.Doctor(m.ctx, node)
		require.NoError(t, err)
		require.Contains(t, found, cluster)
		require.Equal(t, told, slices.Contains(found, full), node)
	}
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
