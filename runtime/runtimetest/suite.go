// Package runtimetest is the conformance suite of runtime.Runtime: what it
// demands is what the agent relies on. It is for tests only, and tests what both
// the fake and a real runtime can do; what only a kernel can do is tested beside
// the real one.
package runtimetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/runtime"
)

// Full is a runtime with everything that the agent asks of one.
type Full interface {
	runtime.Runtime
	runtime.Images
	runtime.Volumes
	runtime.Layers
}

// Harness is what the suite runs on.
type Harness struct {
	Runtime Full
	// Program is the content of Program in the suite's image. The fake may have
	// anything here as long as ImageName's /app does what package program does.
	Program []byte
	// Restart restarts what runs containers, which go on; nil if it cannot be.
	Restart func(t *testing.T)
}

// patience bounds every wait; only a broken runtime uses it up.
const patience = time.Minute

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	s := &suite{Harness: h}
	s.load(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"LoadedImageIsListedWithItsConfiguration", s.testImage},
		{"BrokenArchivesLeaveNothing", s.testBrokenArchive},
		{"ContainerLivesAndEnds", s.testLife},
		{"ExitCodes", s.testExitCodes},
		{"EnvironmentAndCommandAreMerged", s.testMerge},
		{"ErrorsAreKnown", s.testErrors},
		{"RemoveKillsWhatRuns", s.testRemoveRunning},
		{"ListIsSortedAndTellsTheTask", s.testList},
		{"OutputReaderMayComeAndGo", s.testOutput},
		{"EventsEndWithTheirContext", s.testEventsEnd},
		{"Exec", s.testExec},
		{"ExecErrors", s.testExecErrors},
		{"ExecEndsWithItsContext", s.testExecCancel},
		{"StatsOfARunningContainer", s.testStats},
		{"VolumesStayUntilRemoved", s.testVolumes},
		{"ContainersSurviveARestart", s.testRestart},
	} {
		t.Run(test.name, test.run)
	}
}

type suite struct {
	Harness
	digest string
}

// load puts the suite's image into the runtime.
func (s *suite) load(t *testing.T) {
	t.Helper()
	image := Image(t, []Entry{{Path: Program, Data: s.Program, Mode: 0o755}}, nil)
	loaded, err := s.Runtime.LoadImage(t.Context(), reader(Archive(t, image, ImageName)))
	require.NoError(t, err)
	require.Len(t, loaded, 1)
	s.digest = loaded[0].Digest
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
