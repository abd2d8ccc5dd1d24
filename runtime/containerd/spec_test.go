package containerd

import (
	"errors"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

func TestEnvironment(t *testing.T) {
	image := []string{"PATH=/bin", "A=1", "B=2"}
	require.Equal(t, []string{"PATH=/bin", "HOSTNAME=box", "A=mine", "EMPTY="},
		environment(image, []string{"A=mine", "B", "EMPTY=", "NEVER"}, "box", false))
	require.Contains(t, environment(nil, nil, "box", true), "TERM=xterm")
}

func TestCapabilities(t *testing.T) {
	standard := []string{"CAP_CHOWN", "CAP_KILL"}
	for name, test := range map[string]struct{ add, drop, want []string }{
		"default":          {nil, nil, standard},
		"add":              {[]string{"sys_time"}, nil, []string{"CAP_CHOWN", "CAP_KILL", "CAP_SYS_TIME"}},
		"drop":             {nil, []string{"CAP_KILL"}, []string{"CAP_CHOWN"}},
		"drop all but one": {[]string{"KILL"}, []string{"all"}, []string{"CAP_KILL"}},
		"twice":            {[]string{"KILL"}, nil, standard},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := capabilities(standard, test.add, test.drop)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := capabilities(standard, nil, []string{"NONE"})
	require.ErrorIs(t, err, runtime.ErrRejected)
}

func TestSecurityOptions(t *testing.T) {
	got, err := parseSecurity([]string{"no-new-privileges", "seccomp:unconfined", "apparmor=unconfined"})
	require.NoError(t, err)
	require.Equal(t, securityOptions{noNewPrivileges: true, unconfined: true}, got)
	for _, bad := range []string{"apparmor=mine", "seccomp=/file.json", "label=type:x", "x", ""} {
		_, err := parseSecurity([]string{bad})
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), bad)
	}
}

// plan makes a blueprint of a simple container.
func plan(change func(*blueprint)) *blueprint {
	b := &blueprint{
		Spec:  runtime.Spec{ID: "abc", Network: runtime.Network{Mode: "none"}},
		image: &imageInfo{config: runtime.ImageConfig{Cmd: []string{"/app"}}},
		users: &users{}, init: "/usr/bin/init",
	}
	if change != nil {
		change(b)
	}
	return b
}

func TestSpecOfLimits(t *testing.T) {
	s, err := plan(func(b *blueprint) {
		b.host.swapLimit = true
		b.Resources.Limits = api.ResourceSet{NanoCPUs: 1_500_000_000, Memory: 1 << 20, Pids: 5}
	}).build()
	require.NoError(t, err)
	require.EqualValues(t, 150_000, *s.Linux.Resources.CPU.Quota)
	require.EqualValues(t, 1<<20, *s.Linux.Resources.Memory.Limit)
	require.EqualValues(t, 2<<20, *s.Linux.Resources.Memory.Swap)
	require.EqualValues(t, 5, *s.Linux.Resources.Pids.Limit)
	s, err = plan(nil).build()
	require.NoError(t, err)
	require.Nil(t, s.Linux.Resources.CPU)
	require.Nil(t, s.Linux.Resources.Memory)
	require.Equal(t, 0, *s.Process.OOMScoreAdj)
}

func TestSpecOfNamespaces(t *testing.T) {
	kinds := func(change func(*blueprint)) (found []string) {
		s, err := plan(change).build()
		require.NoError(t, err)
		for _, each := range s.Linux.Namespaces {
			found = append(found, string(each.Type)+each.Path)
		}
		slices.Sort(found)
		return found
	}
	require.Equal(t, []string{"ipc", "mount", "network", "pid", "uts"}, kinds(nil))
	require.Equal(t, []string{"cgroup", "ipc", "mount", "network", "pid", "uts"}, kinds(func(b *blueprint) { b.host.unified = true }))
	require.Equal(t, []string{"mount", "uts"}, kinds(func(b *blueprint) {
		b.Network.Mode, b.Container.PidMode, b.Container.IpcMode = "host", "host", "host"
	}))
	require.Contains(t, kinds(func(b *blueprint) { b.Network = runtime.Network{Mode: "namespace", Namespace: "/run/netns/x"} }), "network/run/netns/x")
	_, err := plan(func(b *blueprint) { b.Network.Mode = "bridge" }).build()
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
}

func TestSpecOfMounts(t *testing.T) {
	deep, err := mountOf(api.Mount{Type: api.MountTmpfs, Target: "/a/b"}, "")
	require.NoError(t, err)
	shallow, err := mountOf(api.Mount{Type: api.MountVolume, Target: "/a", ReadOnly: true}, "/volumes/x")
	require.NoError(t, err)
	shm, err := mountOf(api.Mount{Type: api.MountBind, Target: "/dev/shm/"}, "/shm")
	require.NoError(t, err)
	on := true
	s, err := plan(func(b *blueprint) {
		b.mounts = []specs.Mount{deep, shallow, shm}
		b.Container.Init = &on
	}).build()
	require.NoError(t, err)
	var order []string
	for _, m := range s.Mounts {
		order = append(order, m.Destination)
	}
	require.Less(t, slices.Index(order, "/a"), slices.Index(order, "/a/b"), "a mount must not hide one below it")
	require.NotContains(t, order, "/dev/shm", "the default gives way")
	require.Contains(t, order, "/dev/shm/")
	require.NotContains(t, order, "/run")
	require.Equal(t, []string{initPath, "--", "/app"}, s.Process.Args)
	require.Equal(t, []string{"rbind", "rprivate", "ro"}, shallow.Options)
}

func TestSpecNeedsACommand(t *testing.T) {
	_, err := plan(func(b *blueprint) { b.image.config.Cmd = nil }).build()
	require.ErrorIs(t, err, runtime.ErrRejected)
}

func TestStartErrorsAreForPeople(t *testing.T) {
	for text, want := range map[string]struct {
		text string
		code int
		is   error
	}{
		`failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "x": executable file not found in $PATH: unknown`: {
			"cannot run: x: no such command in the image", 127, runtime.ErrRejected,
		},
		`OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/x": stat /x: no such file or directory`: {
			"cannot run: /x: no such command in the image", 127, runtime.ErrRejected,
		},
		`OCI runtime exec failed: exec failed: unable to start container process: exec /x: exec format error`: {
			"cannot run: /x: it is no program for this machine", 126, runtime.ErrRejected,
		},
		"write /var: no space left on device": {"no space left on the device", 0, runtime.ErrFull},
		"connection\nrefused":                 {"connection\nrefused", 0, nil},
	} {
		code, err := explainStart(errors.New(text))
		require.EqualError(t, err, want.text)
		require.Equal(t, want.code, code)
		if want.is != nil {
			require.ErrorIs(t, err, want.is)
		}
	}
}

func TestKeyLock(t *testing.T) {
	var locks keyLock
	unlock := locks.lock("a")
	locks.lock("b")()
	done := make(chan struct{})
	go func() {
		locks.lock("a")()
		close(done)
	}()
	select {
	case <-done:
		t.Fatal("taken twice")
	default:
	}
	unlock()
	<-done
	require.Empty(t, locks.locks, "nothing is kept of a lock that nobody uses")
}

func TestVolumeOptions(t *testing.T) {
	lookup := func(name string) ([]string, error) {
		if name == "server" {
			return []string{"10.0.0.9"}, nil
		}
		return nil, errors.New("no such host")
	}
	m, err := parseVolumeOptions(map[string]string{"type": "nfs", "device": ":/export", "o": "addr=server,rw"}, lookup)
	require.NoError(t, err)
	require.Equal(t, []string{"addr=10.0.0.9", "rw"}, m.Options)
	for device, address := range map[string]string{"server:/export": "addr=10.0.0.9", "10.0.0.8:/export": "addr=10.0.0.8", "[fd00::8]:/export": "addr=fd00::8"} {
		m, err := parseVolumeOptions(map[string]string{"type": "nfs4", "device": device, "o": "ro"}, lookup)
		require.NoError(t, err)
		require.Equal(t, []string{"ro", address}, m.Options, "the kernel does not look the server up")
	}
	_, err = parseVolumeOptions(map[string]string{"type": "nfs", "device": "gone:/export"}, lookup)
	require.ErrorContains(t, err, "gone")
	_, err = parseVolumeOptions(map[string]string{"type": "nfs", "o": "addr=gone"}, lookup)
	require.ErrorContains(t, err, "gone")
	_, err = parseVolumeOptions(map[string]string{"type": "nfs", "sizes": "1"}, lookup)
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
}
