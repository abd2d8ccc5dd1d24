package spec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/spec"
)

func TestPortsAreReadInShortAndLongForm(t *testing.T) {
	ingress := func(published, target uint16) api.Port {
		return api.Port{Protocol: "tcp", Mode: "ingress", Published: published, Target: target}
	}
	for text, want := range map[string][]api.Port{
		"80":                   {ingress(0, 80)},
		"8010:80":              {ingress(8010, 80)},
		"8010:80/udp":          {{Protocol: "udp", Mode: "ingress", Published: 8010, Target: 80}},
		"127.0.0.1:8010:80":    {{Protocol: "tcp", Mode: "ingress", Published: 8010, Target: 80, HostIP: "127.0.0.1"}},
		"[::1]:8010:80":        {{Protocol: "tcp", Mode: "ingress", Published: 8010, Target: 80, HostIP: "::1"}},
		"0.0.0.0:8010:80":      {ingress(8010, 80)},
		"8000-8001:80-81":      {ingress(8000, 80), ingress(8001, 81)},
		"published=1,target=2": {ingress(1, 2)},
		"target=53,protocol=udp,mode=host,name=dns,host_ip=10.0.0.1": {{Protocol: "udp", Mode: "host", Target: 53, Name: "dns", HostIP: "10.0.0.1"}},
		"target=80,local-first": {{Protocol: "tcp", Mode: "ingress", Target: 80, LocalFirst: true}},
	} {
		ports, err := spec.Ports(text)
		require.NoError(t, err, text)
		require.Equal(t, want, ports, text)
	}
}

func TestBadPortsSayWhatIsWanted(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "is not a port",
		"http":                  `"http" is not a port`,
		"70000":                 "is not a port",
		"0":                     "is not a port",
		"80/icmp":               "use tcp or udp",
		"9-8:9-8":               "runs backwards",
		"8000-8002:80-81":       "differ in length",
		"nowhere:80:80":         "is not an address",
		"published=80":          "target=PORT is missing",
		"target=80,colour=blue": `"colour" is not known`,
	} {
		_, err := spec.Ports(text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), text)
	}
}

func TestMounts(t *testing.T) {
	for text, want := range map[string]api.Mount{
		"source=data,target=/data":                                      {Type: "volume", Source: "data", Target: "/data"},
		"type=bind,src=/etc,dst=/host,readonly,bind-propagation=rslave": {Type: "bind", Source: "/etc", Target: "/host", ReadOnly: true, Propagation: "rslave"},
		"type=tmpfs,destination=/tmp,tmpfs-size=64m,tmpfs-mode=1770":    {Type: "tmpfs", Target: "/tmp", TmpfsSize: 64 << 20, TmpfsMode: 0o1770},
		`type=volume,src=nfs,dst=/n,volume-opt=type=nfs,"volume-opt=o=addr=10.0.0.9,rw",ro=false`: {Type: "volume", Source: "nfs", Target: "/n",
			Options: map[string]string{"type": "nfs", "o": "addr=10.0.0.9,rw"}},
	} {
		mount, err := spec.Mount(text)
		require.NoError(t, err, text)
		require.Equal(t, want, mount, text)
	}
	for text, want := range map[string]string{
		"type=bind,target=/x":                   "needs source",
		"source=data":                           "target=/PATH is missing",
		"target=/x,bind-propagation=shared":     "is for type=bind",
		"type=bind,src=/a,dst=/b,volume-nocopy": "is for type=volume",
		"target=/x,tmpfs-size=1m":               "is for type=tmpfs",
		"type=tmpfs,target=/x,tmpfs-mode=9":     "in octal",
		"type=tmpfs,target=/x,tmpfs-size=lots":  "want something like 64m",
		"target=/x,readonly=maybe":              "want true or false",
		"target=/x,volume-driver=nfs":           "orc has only local",
		"target=/x,shape=round":                 `"shape" is not known`,
		"target=/x,volume-opt=type":             "want volume-opt=key=value",
		`target="/x`:                            "want key=value",
	} {
		_, err := spec.Mount(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]int64{"0.5": 5e8, "2": 2e9, "0.000000001": 1, "0": 0} {
		nano, err := spec.CPUs(text)
		require.NoError(t, err, text)
		require.Equal(t, want, nano, text)
	}
	for _, text := range []string{"", "-1", "two", "1e3", "0.0000000001", "NaN", "Inf", "1e999999999", "0x1p3", "1_0"} {
		_, err := spec.CPUs(text)
		require.Error(t, err, text)
	}
	size, err := spec.Bytes("memory", "512m")
	require.NoError(t, err)
	require.Equal(t, int64(512<<20), size)
	for _, text := range []string{"", "much", "-1", "99999999999999p"} {
		_, err := spec.Bytes("memory", text)
		require.Error(t, err, text)
	}
	limit, err := spec.Ulimit("nofile=1024:4096")
	require.NoError(t, err)
	require.Equal(t, api.Ulimit{Name: "nofile", Soft: 1024, Hard: 4096}, limit)
	limit, err = spec.Ulimit("memlock=-1")
	require.NoError(t, err)
	require.Equal(t, api.Ulimit{Name: "memlock", Soft: -1, Hard: -1}, limit)
	for _, text := range []string{"nofile", "nofile=x", "=1", "nofile=1:2:3"} {
		_, err := spec.Ulimit(text)
		require.Error(t, err, text)
	}
	name, count, err := spec.Generic("gpu=2")
	require.NoError(t, err)
	require.Equal(t, "gpu", name)
	require.Equal(t, int64(2), count)
	_, _, err = spec.Generic("gpu=-1")
	require.Error(t, err)
}

func TestDevices(t *testing.T) {
	for text, want := range map[string]api.Device{
		"/dev/fuse":             {Source: "/dev/fuse", Target: "/dev/fuse", Permissions: "rwm"},
		"/dev/fuse:r":           {Source: "/dev/fuse", Target: "/dev/fuse", Permissions: "r"},
		"/dev/sda:/dev/xvda:rm": {Source: "/dev/sda", Target: "/dev/xvda", Permissions: "rm"},
	} {
		device, err := spec.Device(text)
		require.NoError(t, err, text)
		require.Equal(t, want, device, text)
	}
	_, err := spec.Device("fuse")
	require.Error(t, err)
}

func TestEnvironment(t *testing.T) {
	lookup := func(name string) (string, bool) { return "here", name == "SET" }
	for text, want := range map[string]string{"A=1": "A=1", "A=": "A=", "A=b=c": "A=b=c", "SET": "SET=here", "UNSET": ""} {
		entry, err := spec.Env(text, lookup)
		require.NoError(t, err)
		require.Equal(t, want, entry)
	}
	_, err := spec.Env("=1", lookup)
	require.Error(t, err)

	env, err := spec.EnvFile("my.env", strings.NewReader("\ufeff# comment\n\nA=\"1\"\n  SET\nUNSET\n"), lookup)
	require.NoError(t, err)
	require.Equal(t, []string{`A="1"`, "SET=here"}, env)
	_, err = spec.EnvFile("my.env", strings.NewReader("A=1\nB C=2\n"), lookup)
	require.ErrorContains(t, err, "my.env, line 2")
}

func TestNetworksHostsFilesAndPreferences(t *testing.T) {
	attachment, err := spec.Network("name=front,alias=web,alias=www")
	require.NoError(t, err)
	require.Equal(t, api.NetworkAttachment{Network: "front", Aliases: []string{"web", "www"}}, attachment)
	host, err := spec.Host("db.example:10.0.0.7")
	require.NoError(t, err)
	require.Equal(t, "db.example:10.0.0.7", host)
	host, err = spec.Host("six:fd00::1")
	require.NoError(t, err)
	require.Equal(t, "six:fd00::1", host)
	_, err = spec.Host("db.example")
	require.Error(t, err)
	file, err := spec.File("secret", "source=key,target=/etc/key,uid=7,gid=8,mode=0400")
	require.NoError(t, err)
	require.Equal(t, api.FileReference{Source: "key", Target: "/etc/key", UID: "7", GID: "8", Mode: 0o400}, file)
	file, err = spec.File("secret", "key")
	require.NoError(t, err)
	require.Equal(t, api.FileReference{Source: "key"}, file)
	_, err = spec.File("secret", "target=/x")
	require.ErrorContains(t, err, "source=NAME is missing")
	preference, err := spec.Preference("spread=node.labels.zone")
	require.NoError(t, err)
	require.Equal(t, "node.labels.zone", preference.Spread)
	_, err = spec.Preference("pack=node.labels.zone")
	require.Error(t, err)
}

func TestWordsAreSplitAsAShellDoes(t *testing.T) {
	words, err := spec.Words("args", `sh -c 'echo "$HOME; ls"' two\ words`)
	require.NoError(t, err)
	require.Equal(t, []string{"sh", "-c", `echo "$HOME; ls"`, "two words"}, words)
	for _, text := range []string{`sh -c 'echo`, "a; b", "a | b"} {
		_, err = spec.Words("args", text)
		require.Error(t, err, text)
	}
}

func TestMergeReplacesByKeyAndRemoveLeavesOut(t *testing.T) {
	list := []string{"A=1", "B=2"}
	require.Equal(t, []string{"A=3", "B=2", "C=4"}, spec.Merge(list, []string{"A=3", "C=4"}, spec.EnvName))
	require.Equal(t, []string{"A=1", "B=2"}, list, "the list given is not changed")
	require.Equal(t, []string{"B=2"}, spec.Remove(list, []string{"A"}, spec.EnvName))
	require.Nil(t, spec.Remove(list, []string{"A", "B"}, spec.EnvName))
}

func TestLogOptions(t *testing.T) {
	var container api.ContainerSpec
	require.NoError(t, spec.Logs("max-size=1m", &container))
	require.NoError(t, spec.Logs("max-file=5", &container))
	require.Equal(t, int64(1<<20), container.LogMaxSize)
	require.Equal(t, 5, container.LogMaxFiles)
	require.Error(t, spec.Logs("tag=x", &container))
}
