package fake_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/fake"
	"github.com/orc-project/orc/runtime/runtimetest"
	"github.com/orc-project/orc/runtime/runtimetest/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	r := fake.New()
	r.Script(runtimetest.ImageName, fake.Script{Commands: map[string]fake.Program{
		runtimetest.Program: func(p *fake.Process) int {
			return program.Run(&program.Process{
				Args: p.Args, Env: p.Env, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Signals: p.Signals, Killed: p.Killed,
			})
		},
	}})
	runtimetest.Run(t, runtimetest.Harness{
		Runtime: r,
		Program: []byte("stands for the program"),
		Restart: func(*testing.T) { r.Down(fake.ErrDown); r.Down(nil) },
	})
}

func TestScriptedLifeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := fake.New()
		r.Script("web:1", fake.Script{PullDelay: time.Minute, Lifetime: time.Hour, ExitCode: 3})
		started := time.Now()
		_, err := r.Pull(t.Context(), runtime.ImageRef{Name: "web:1"}, nil)
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(started))
		events, err := r.Events(t.Context())
		require.NoError(t, err)
		for _, id := range []string{"a", "b"} {
			require.NoError(t, r.Create(t.Context(), runtime.Spec{ID: id, Image: runtime.ImageRef{Name: "web:1"}}))
			require.NoError(t, r.Start(t.Context(), id))
		}
		require.True(t, r.Exit("a", 1))
		require.False(t, r.Exit("a", 1), "it has ended already")
		require.Equal(t, 1, (<-events).ExitCode)
		ended := <-events
		require.Equal(t, "b", ended.ID)
		require.Equal(t, 3, ended.ExitCode)
		require.Equal(t, time.Minute+time.Hour, time.Since(started))
	})
}

func TestFailuresAreScripted(t *testing.T) {
	r, wrong := fake.New(), errors.New("wrong")
	r.FailPull("web", wrong)
	_, err := r.Pull(t.Context(), runtime.ImageRef{Name: "web:latest"}, nil)
	require.ErrorIs(t, err, wrong)
	r.FailPull("web", nil)
	_, err = r.Pull(t.Context(), runtime.ImageRef{Name: "web:latest"}, nil)
	require.NoError(t, err)
	events, err := r.Events(t.Context())
	require.NoError(t, err)
	r.Down(wrong)
	_, open := <-events
	require.False(t, open)
	_, err = r.List(t.Context())
	require.ErrorIs(t, err, wrong)
	r.Down(nil)
	require.NoError(t, r.Create(t.Context(), runtime.Spec{ID: "a", Image: runtime.ImageRef{Name: "web"}}))
	require.NoError(t, r.Start(t.Context(), "a"))
	r.Reboot()
	c, err := r.Inspect(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, runtime.Exited, c.State)
	require.Equal(t, -1, c.ExitCode)
}
