package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAKeepsakeIsTheLastReadOrWhatWasOnItsWay(t *testing.T) {
	var k keepsakes
	other := at(1, 0, Write, "", "other")
	other.Key = "other"
	k.add([]Operation{
		at(1, 0, Write, "", "seen"), at(2, 0, Write, "", "late"), other, at(2, 3, Write, "", "b"),
		at(3, 4, Read, "", "seen"), at(5, 6, Read, "", "b"), at(7, 0, Read, "", ""),
	}, "k")
	require.Equal(t, []keepsake{{"k", "b", []string{"late"}}}, k.held)
}

func TestAScaleThatWasOnItsWayMayComeInLaterRounds(t *testing.T) {
	var l lateScales
	scale := at(3, 0, Write, "", "3")
	scale.Key = wave
	l.add([]Operation{at(1, 0, Write, "", "a"), scale, at(4, 5, Write, "", "b")})
	now := l.late[0].until.Add(-lateTime)
	require.Equal(t, []string{"3"}, l.at(now))
	require.Equal(t, []string{"3"}, l.at(now.Add(lateTime-1)))
	require.Empty(t, l.at(now.Add(lateTime)))
}
