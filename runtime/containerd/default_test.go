package containerd

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/runtime/runtimetest"
)

// passwd has a user with a group of its own and one more.
var passwd = []runtimetest.Entry{
	{Path: "/etc/", Mode: 0o755},
	{Path: "/etc/passwd", Data: []byte("root:x:0:0::/root:/\nweb:x:1000:1001::/home/web:/\n"), Mode: 0o644},
	{Path: "/etc/group", Data: []byte("root:x:0:\nweb:x:1001:\nlogs:x:1002:web\nextra:x:1003:\n"), Mode: 0o644},
}

func TestDefaultsAreDockers(t *testing.T) {
	n := open(t)
	n.load(t, passwd, func(c *v1.Config) { c.WorkingDir = "/made/for/it" })
	on := true
	for name, test := range map[string]struct {
		args   []string
		change func(*runtime.Spec)
		want   []string
		not    []string
		code   int
	}{
		"root, in the image's directory": {
			args: []string{"id"}, want: []string{"uid=0 gid=0 groups=[0] dir=/made/for/it", "pid=1\n"},
		},
		"capabilities": { // 14 of Docker's default: a80425fb
			args: []string{"status", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"},
			want: []string{"CapEff: 00000000a80425fb", "CapBnd: 00000000a80425fb", "NoNewPrivs: 0", "Seccomp: 2"},
		},
		"capabilities of a user": {
			args: []string{"status", "CapEff", "CapBnd"}, change: func(s *runtime.Spec) { s.Container.User = "web" },
			want: []string{"CapEff: 0000000000000000", "CapBnd: 00000000a80425fb"},
		},
		"capabilities added and dropped": {
			args: []string{"status", "CapEff"},
			change: func(s *runtime.Spec) {
				s.Container.CapAdd, s.Container.CapDrop = []string{"net_admin"}, []string{"ALL"}
			},
			want: []string{"CapEff: 0000000000001000"},
		},
		"no new privileges, no filter": {
			args: []string{"status", "NoNewPrivs", "Seccomp"},
			change: func(s *runtime.Spec) {
				s.Container.SecurityOpts = []string{"no-new-privileges:true", "seccomp=unconfined"}
			},
			want: []string{"NoNewPrivs: 1", "Seccomp: 0"},
		},
		"the filter refuses": {args: []string{"unshare"}, want: []string{"operation not permitted"}, code: 1},
		"privileged": {
			args: []string{"status", "Seccomp"}, change: func(s *runtime.Spec) { s.Container.Privileged = true }, want: []string{"Seccomp: 0"},
		},
		"masked":    {args: []string{"read", "/proc/keys"}, not: []string{"keyring"}},
		"read-only": {args: []string{"write", "/proc/sys/kernel/hostname", "x"}, want: []string{"read-only file system"}, code: 1},
		"user by name, with its groups and one more": {
			args: []string{"id"},
			change: func(s *runtime.Spec) {
				s.Container.User, s.Container.Groups = "web", []string{"extra", "2000"}
			},
			want: []string{"uid=1000 gid=1001 groups=[1001 1002 1003 2000]"},
		},
		"user by number": {
			args: []string{"id"}, change: func(s *runtime.Spec) { s.Container.User = "7:8" }, want: []string{"uid=7 gid=8"},
		},
		"directory": {
			args: []string{"id"}, change: func(s *runtime.Spec) { s.Container.Dir = "/new/place" }, want: []string{"dir=/new/place"},
		},
		"names": {
			args: []string{"read", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"},
			change: func(s *runtime.Spec) {
				s.Network.Hostname, s.Network.Hosts, s.Network.Resolv = "box", []byte("10.0.0.1 db\n"), []byte("nameserver 10.0.0.2\n")
			},
			want: []string{"box\n10.0.0.1 db\nnameserver 10.0.0.2\n"},
		},
		"hostname": {
			args: []string{"id"}, change: func(s *runtime.Spec) { s.Network.Hostname = "box" }, want: []string{"host=box"},
		},
		"ulimit": {
			args: []string{"limit"},
			change: func(s *runtime.Spec) {
				s.Container.Ulimits = []api.Ulimit{{Name: "nofile", Soft: 200, Hard: 200}}
			},
			want: []string{"nofile=200:200"},
		},
		"sysctl": {
			args:   []string{"read", "/proc/sys/net/ipv4/ip_default_ttl"},
			change: func(s *runtime.Spec) { s.Container.Sysctls = map[string]string{"net.ipv4.ip_default_ttl": "42"} },
			want:   []string{"42\n"},
		},
		"read-only root": {
			args: []string{"write", "/file", "x"}, change: func(s *runtime.Spec) { s.Container.ReadOnly = true },
			want: []string{"read-only file system"}, code: 1,
		},
		"shm": {args: []string{"stat", "/dev/shm"}, want: []string{"mode=41777"}},
		"init": {
			args: []string{"id"}, change: func(s *runtime.Spec) { s.Container.Init = &on }, not: []string{"pid=1\n"}, want: []string{"uid=0"},
		},
		"exit code through init": {
			args: []string{"exit", "9"}, change: func(s *runtime.Spec) { s.Container.Init = &on }, code: 9,
		},
		"terminal": {
			args: []string{"say", "hello"}, change: func(s *runtime.Spec) { s.Container.TTY = true }, want: []string{"hello\r\n"},
		},
		"device": {
			args: []string{"stat", "/dev/mine"},
			change: func(s *runtime.Spec) {
				s.Container.Devices = []api.Device{{Source: "/dev/null", Target: "/dev/mine"}}
			},
			want: []string{"rdev=259"},
		},
		"oom score": {args: []string{"read", "/proc/self/oom_score_adj"}, want: []string{"0\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := n.spec(t, test.args...)
			if test.change != nil {
				test.change(&spec)
			}
			output, c := n.run(t, spec)
			require.Equal(t, test.code, c.ExitCode, output)
			for _, want := range test.want {
				require.Contains(t, output, want)
			}
			for _, not := range test.not {
				require.NotContains(t, output, not)
			}
		})
	}
}

func TestWhatCannotRunIsRejected(t *testing.T) {
	n := open(t)
	n.load(t, append(passwd, runtimetest.Entry{Path: "/data.txt", Data: []byte("text"), Mode: 0o644}), nil)
	for name, test := range map[string]struct {
		change func(*runtime.Spec)
		want   string
	}{
		"no such user":       {func(s *runtime.Spec) { s.Container.User = "nobody" }, "nobody"},
		"no such group":      {func(s *runtime.Spec) { s.Container.Groups = []string{"none"} }, "none"},
		"no such capability": {func(s *runtime.Spec) { s.Container.CapAdd = []string{"FLY"} }, "FLY"},
		"no such source": {func(s *runtime.Spec) {
			s.Container.Mounts = []api.Mount{{Type: api.MountBind, Source: "/no/such", Target: "/x"}}
		}, "/no/such"},
		"no such command":    {func(s *runtime.Spec) { s.Container.Entrypoint = []string{"server"} }, "server"},
		"not executable":     {func(s *runtime.Spec) { s.Container.Entrypoint = []string{"/data.txt"} }, "/data.txt"},
		"no such device":     {func(s *runtime.Spec) { s.Container.Devices = []api.Device{{Source: "/dev/none"}} }, "/dev/none"},
		"no such sysctl":     {func(s *runtime.Spec) { s.Container.Sysctls = map[string]string{"net.none": "1"} }, "net.none"},
		"relative target":    {func(s *runtime.Spec) { s.Container.Mounts = []api.Mount{{Type: api.MountTmpfs, Target: "x"}} }, `"x"`},
		"command is no file": {func(s *runtime.Spec) { s.Container.Entrypoint = []string{"/etc"} }, "/etc"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := n.spec(t)
			test.change(&spec)
			err := n.Create(t.Context(), spec)
			if err == nil {
				err = n.Start(t.Context(), spec.ID)
			}
			require.ErrorIs(t, err, runtime.ErrRejected)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "\n")
			t.Log(err)
			require.NoError(t, n.Remove(t.Context(), spec.ID))
		})
	}
}
