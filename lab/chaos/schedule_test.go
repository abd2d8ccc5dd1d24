package chaos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheSameSeedMeetsTheSameFaults(t *testing.T) {
	shape := Config{Managers: 3, Agents: 2, Most: 4, Span: 10 * time.Second}.shape()
	draw := func(seed, round uint64) []Event { return Draw(rand.New(rand.NewPCG(seed, round)), shape) }
	require.Equal(t, draw(1, 5), draw(1, 5))
	require.NotEqual(t, draw(1, 5), draw(2, 5))
	require.NotEqual(t, draw(1, 5), draw(1, 6))
}

func TestSchedulesKeepToTheirShape(t *testing.T) {
	shape := Config{Managers: 3, Agents: 2, Most: 4, Span: 10 * time.Second}.shape()
	drawn := make(map[string]bool)
	for round := range uint64(500) {
		events := Draw(rand.New(rand.NewPCG(7, round)), shape)
		require.NotEmpty(t, events)
		require.LessOrEqual(t, len(events), shape.Most)
		last := time.Duration(0)
		for _, event := range events {
			fault := Faults[event.Fault]
			require.True(t, fault.On.includes(event.Role), "%s of a %s", event.Fault, event.Role)
			require.Contains(t, shape.Roles, event.Role)
			require.GreaterOrEqual(t, event.At, last)
			require.LessOrEqual(t, event.At, shape.Span)
			require.GreaterOrEqual(t, event.Hold, fault.Hold[0])
			require.LessOrEqual(t, event.Hold, fault.Hold[1])
			last = event.At
			drawn[event.Fault+" of "+string(event.Role)] = true
		}
	}
	for _, name := range shape.Faults {
		require.True(t, drawn[name+" of leader"] || drawn[name+" of worker"], name)
	}
}

func TestEveryFaultHappensInTurn(t *testing.T) {
	shape := Config{Managers: 3, Agents: 2}.shape()
	shape.Span = 10 * time.Second
	for seed := range uint64(20) {
		var met []string
		for round := range (len(shape.Faults) + sureInRound - 1) / sureInRound {
			shape.Sure = deal(seed, shape.Faults, round)
			require.Len(t, shape.Sure, sureInRound)
			for _, event := range Draw(rand.New(rand.NewPCG(seed, uint64(round))), shape) {
				met = append(met, event.Fault)
			}
		}
		require.Subset(t, met, shape.Faults)
	}
	require.NotEqual(t, deal(1, shape.Faults, 0), deal(2, shape.Faults, 0))
}

func TestALabWithoutWorkersHurtsManagersOnly(t *testing.T) {
	shape := Config{Managers: 3, Most: 4, Span: time.Second}.shape()
	for round := range uint64(100) {
		for _, event := range Draw(rand.New(rand.NewPCG(7, round)), shape) {
			require.NotEqual(t, Worker, event.Role)
		}
	}
}
