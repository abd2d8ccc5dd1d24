package containerd

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/runtime"
)

func TestExecAsSomebodyElse(t *testing.T) {
	n := open(t)
	n.load(t, passwd, nil)
	spec := n.spec(t)
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	for name, test := range map[string]struct {
		exec runtime.Exec
		want string
	}{
		"user":       {runtime.Exec{Args: []string{"/app", "id"}, User: "web"}, "uid=1000 gid=1001 groups=[1001 1002]"},
		"directory":  {runtime.Exec{Args: []string{"/app", "id"}, Dir: "/etc"}, "dir=/etc"},
		"default":    {runtime.Exec{Args: []string{"/app", "status", "CapEff"}}, "CapEff: 00000000a80425fb"},
		"no user's":  {runtime.Exec{Args: []string{"/app", "status", "CapEff"}, User: "7"}, "CapEff: 0000000000000000"},
		"privileged": {runtime.Exec{Args: []string{"/app", "status", "CapEff"}, Privileged: true}, "CapEff: 000001ff"},
		"by PATH":    {runtime.Exec{Args: []string{"app", "id"}}, "uid=0"},
	} {
		t.Run(name, func(t *testing.T) {
			out := &strings.Builder{}
			test.exec.Stdout = out
			code, err := n.Exec(t.Context(), spec.ID, test.exec)
			require.NoError(t, err)
			require.Zero(t, code, out)
			require.Contains(t, out.String(), test.want)
		})
	}
	code, err := n.Exec(t.Context(), spec.ID, runtime.Exec{Args: []string{"/etc/passwd"}})
	require.ErrorIs(t, err, runtime.ErrRejected)
	require.Equal(t, 126, code)
	_, err = n.Exec(t.Context(), spec.ID, runtime.Exec{Args: []string{"/app"}, User: "nobody"})
	require.ErrorIs(t, err, runtime.ErrRejected)
}

func TestExecOnATerminal(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.spec(t)
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	sizes := make(chan runtime.Size, 1)
	sizes <- runtime.Size{Width: 123, Height: 45}
	in, typed := io.Pipe()
	defer typed.Close()
	screen := &screen{}
	result := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := n.Exec(ctx, spec.ID, runtime.Exec{
			Args: []string{"/app", "size"}, TTY: true, Stdin: in, Stdout: screen, Resize: sizes,
		})
		result <- err
	}()
	// It prints the terminal's size for each line typed.
	until(t, "the size", func(context.Context) bool {
		_, err := io.WriteString(typed, "\n")
		require.NoError(t, err)
		return strings.Contains(screen.String(), "123x45")
	})
	require.NotContains(t, screen.String(), "0x0", "the size is there from the start")
	_, err := io.WriteString(typed, "\x04") // ^D
	require.NoError(t, err)
	require.NoError(t, <-result)
}

type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(data)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
