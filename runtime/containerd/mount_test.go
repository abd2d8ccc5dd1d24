package containerd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

// seeded is an image with something for volumes to begin with.
var seeded = []runtimetest.Entry{
	{Path: "/seed/", Mode: 0o750, UID: 5, GID: 6},
	{Path: "/seed/file", Data: []byte("from the image\n"), Mode: 0o640, UID: 7, GID: 8},
	{Path: "/declared/", Mode: 0o755},
	{Path: "/declared/file", Data: []byte("declared\n"), Mode: 0o644},
}

func TestMounts(t *testing.T) {
	n := open(t)
	n.load(t, seeded, nil)
	host := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(host, "file"), []byte("on the host\n"), 0o644))
	for name, test := range map[string]struct {
		mount api.Mount
		args  []string
		want  string
		code  int
	}{
		"bind": {api.Mount{Type: api.MountBind, Source: host, Target: "/x"}, []string{"read", "/x/file"}, "on the host\n", 0},
		"bind a file": {
			api.Mount{Type: api.MountBind, Source: filepath.Join(host, "file"), Target: "/etc/hosts"}, []string{"read", "/etc/hosts"}, "on the host\n", 0,
		},
		"bind read-only": {
			api.Mount{Type: api.MountBind, Source: host, Target: "/x", ReadOnly: true}, []string{"write", "/x/new", "x"}, "read-only file system", 1,
		},
		"bind what is made": {
			api.Mount{Type: api.MountBind, Source: filepath.Join(host, "made"), Target: "/x", CreateSource: true}, []string{"write", "/x/new", "x"}, "", 0,
		},
		"bind shared": {
			api.Mount{Type: api.MountBind, Source: host, Target: "/x", Propagation: "rslave"}, []string{"read", "/x/file"}, "on the host\n", 0,
		},
		"tmpfs": {
			api.Mount{Type: api.MountTmpfs, Target: "/x", TmpfsSize: 1 << 20, TmpfsMode: 0o700}, []string{"stat", "/x"}, "mode=40700 uid=0", 0,
		},
		"volume": {
			api.Mount{Type: api.MountVolume, Source: "one", Target: "/seed"}, []string{"stat", "/seed/file"}, "mode=100640 uid=7 gid=8 size=15", 0,
		},
		"volume's own directory": {
			api.Mount{Type: api.MountVolume, Source: "two", Target: "/seed"}, []string{"stat", "/seed"}, "mode=40750 uid=5 gid=6", 0,
		},
		"volume that stays empty": {
			api.Mount{Type: api.MountVolume, Source: "three", Target: "/seed", NoCopy: true}, []string{"ls", "/seed"}, "", 0,
		},
		"anonymous volume": {api.Mount{Type: api.MountVolume, Target: "/seed"}, []string{"read", "/seed/file"}, "from the image\n", 0},
		"volume of tmpfs": {
			api.Mount{Type: api.MountVolume, Source: "four", Target: "/x", Options: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0711"}},
			[]string{"stat", "/x"}, "mode=40711", 0,
		},
		"volume of tmpfs, filled from the image": {
			api.Mount{Type: api.MountVolume, Source: "six", Target: "/seed", Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}},
			[]string{"read", "/seed/file"}, "from the image\n", 0,
		},
		"volume of tmpfs that stays empty": {
			api.Mount{Type: api.MountVolume, Source: "seven", Target: "/seed", NoCopy: true, Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}},
			[]string{"ls", "/seed"}, "", 0,
		},
		"volume of a directory that has something": {
			api.Mount{Type: api.MountVolume, Source: "eight", Target: "/seed", Options: map[string]string{"type": "none", "device": host, "o": "bind"}},
			[]string{"read", "/seed/file"}, "on the host\n", 0,
		},
		"volume of a directory": {
			api.Mount{Type: api.MountVolume, Source: "five", Target: "/x", Options: map[string]string{"type": "none", "device": host, "o": "bind"}},
			[]string{"read", "/x/file"}, "on the host\n", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := n.spec(t, test.args...)
			spec.Container.Mounts = []api.Mount{test.mount}
			output, c := n.run(t, spec)
			require.Contains(t, output, test.want)
			require.Equal(t, test.code, c.ExitCode, output)
			if test.want == "" {
				require.Empty(t, output)
			}
		})
	}
	content, err := os.ReadFile(filepath.Join(host, "made", "new"))
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
	list, err := n.ListVolumes(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 8)
	for _, volume := range list {
		require.NoError(t, n.RemoveVolume(t.Context(), volume.Name))
	}
	require.FileExists(t, filepath.Join(host, "file"), "removing a volume leaves what its options mounted")
}

func TestAVolumeThatCannotBeMountedSaysWhyWithoutItsOptions(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	for kind, want := range map[string]string{"nofs": "cannot mount the type nofs", "none": "/does/not/exist of type none: no such file"} {
		spec := n.spec(t)
		spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "far-" + kind, Target: "/x", Options: map[string]string{
			"type": kind, "device": "/does/not/exist", "o": map[string]string{"nofs": "password=hush", "none": "bind"}[kind],
		}}}
		err := n.Create(t.Context(), spec)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "mount volume far-"+kind)
		require.NotContains(t, err.Error(), "hush")
		require.NoError(t, n.RemoveVolume(t.Context(), "far-"+kind))
	}
}

func TestVolumesKeepTheirData(t *testing.T) {
	n := open(t)
	n.load(t, seeded, func(c *v1.Config) { c.Volumes = map[string]struct{}{"/declared": {}} })
	mount := []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/data"}}
	spec := n.spec(t, "write", "/data/file", "kept")
	spec.Container.Mounts = mount
	_, c := n.run(t, spec)
	require.Zero(t, c.ExitCode)
	spec = n.spec(t, "read", "/data/file", "/declared/file")
	spec.Container.Mounts = mount
	output, _ := n.run(t, spec)
	require.Equal(t, "keptdeclared\n", output)

	spec = n.spec(t, "read", "/x/file")
	spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "data", Target: "/x", Subpath: "none"}}
	err := n.Create(t.Context(), spec)
	require.ErrorIs(t, err, runtime.ErrRejected)
	require.ErrorContains(t, err, "none")

	for _, name := range []string{"../data", "a/b", ".new-x", ""} {
		require.Equal(t, api.CodeNotFound, api.CodeOf(n.RemoveVolume(t.Context(), name)), name)
	}
	spec.Container.Mounts = []api.Mount{{Type: api.MountVolume, Source: "../x", Target: "/x"}}
	require.Equal(t, api.CodeInvalid, api.CodeOf(n.Create(t.Context(), spec)))
}

func TestSecretsAreInMemoryOnly(t *testing.T) {
	n := open(t)
	n.load(t, nil, nil)
	spec := n.spec(t)
	spec.Files = []runtime.File{
		{Target: "/run/secrets/key", Data: []byte("s3cr3t-"), UID: 11, GID: 12, Mode: 0o440},
		{Target: "/run/secrets/big", Data: []byte(strings.Repeat("x", 500<<10)), Mode: 0o444},
		{Target: "/run/secrets/empty", Mode: 0o444},
	}
	require.NoError(t, n.Create(t.Context(), spec))
	require.NoError(t, n.Start(t.Context(), spec.ID))
	out := &strings.Builder{}
	for _, args := range [][]string{{"read", "/run/secrets/key"}, {"stat", "/run/secrets/key"}, {"stat", "/run/secrets/big"}} {
		code, err := n.Exec(t.Context(), spec.ID, runtime.Exec{Args: append([]string{"/app"}, args...), Stdout: out})
		require.NoError(t, err)
		require.Zero(t, code)
	}
	require.Contains(t, out.String(), "s3cr3t-mode=100440 uid=11 gid=12 size=7")
	require.Contains(t, out.String(), "mode=100444 uid=0 gid=0 size=512000")
	stderr := &strings.Builder{}
	code, err := n.Exec(t.Context(), spec.ID, runtime.Exec{Args: []string{"/app", "write", "/run/secrets/key", "x"}, Stderr: stderr})
	require.NoError(t, err)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), "read-only")

	memory := filepath.Join(RunDir(n.dataDir), "c", spec.ID, "files")
	var stat unix.Statfs_t
	require.NoError(t, unix.Statfs(memory, &stat))
	require.EqualValues(t, unix.TMPFS_MAGIC, stat.Type)
	require.NoError(t, n.Remove(t.Context(), spec.ID))
	require.NoDirExists(t, memory)
}
