package api

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// valid is a spec that passes, to be spoiled by one change.
func valid() ServiceSpec {
	spec := ServiceSpec{Name: "web", Container: ContainerSpec{Image: "web:1.0"}, Ports: []Port{{Target: 80, Published: 8080}}}
	spec.Defaults()
	return spec
}

func pointer[T any](value T) *T { return &value }

func TestDefaultsMakeAMinimalSpecValidAndChangeNothingTwice(t *testing.T) {
	spec := valid()
	require.NoError(t, spec.Validate())
	again := valid()
	again.Defaults()
	require.Equal(t, spec, again)

	job := ServiceSpec{Name: "job", Mode: ModeReplicatedJob, Container: ContainerSpec{Image: "job"}}
	job.Defaults()
	require.NoError(t, job.Validate())
	require.Equal(t, RestartOnFailure, job.Restart.Condition)
}

func TestEveryWrongValueIsNamed(t *testing.T) {
	for says, spoil := range map[string]func(*ServiceSpec){
		"name":              func(s *ServiceSpec) { s.Name = "a b" },
		"longer":            func(s *ServiceSpec) { s.Name = strings.Repeat("x", 64) },
		`mode "sometimes"`:  func(s *ServiceSpec) { s.Mode = "sometimes" },
		"replicas -1":       func(s *ServiceSpec) { s.Replicas = pointer(-1) },
		"every node":        func(s *ServiceSpec) { s.Mode, s.Replicas = ModeGlobal, pointer(2) },
		"only jobs":         func(s *ServiceSpec) { s.Schedule = "@daily" },
		"max concurrent":    func(s *ServiceSpec) { s.MaxConcurrent = 2 },
		"stop-after=-1s":    func(s *ServiceSpec) { s.StopIsolated = pointer(Duration(-time.Second)) },
		"image":             func(s *ServiceSpec) { s.Container.Image = "" },
		"control character": func(s *ServiceSpec) { s.Container.Image = "a\nb" },
		"NAME=value":        func(s *ServiceSpec) { s.Container.Env = []string{"=x"} },
		"working directory": func(s *ServiceSpec) { s.Container.Dir = "here" },
		"stop signal":       func(s *ServiceSpec) { s.Container.StopSignal = "SIGNONE" },
		"grace":             func(s *ServiceSpec) { s.Container.StopGrace = pointer(Duration(-1)) },
		"mount target":      func(s *ServiceSpec) { s.Container.Mounts = []Mount{{Type: MountTmpfs, Target: "x"}} },
		"used twice": func(s *ServiceSpec) {
			s.Container.Mounts = []Mount{{Type: MountTmpfs, Target: "/x"}, {Type: MountTmpfs, Target: "/x"}}
		},
		"absolute path on": func(s *ServiceSpec) { s.Container.Mounts = []Mount{{Type: MountBind, Source: "x", Target: "/x"}} },
		"volume name":      func(s *ServiceSpec) { s.Container.Mounts = []Mount{{Type: MountVolume, Source: "../x", Target: "/x"}} },
		"subpath": func(s *ServiceSpec) {
			s.Container.Mounts = []Mount{{Type: MountVolume, Source: "v", Target: "/x", Subpath: "../y"}}
		},
		"ulimit":               func(s *ServiceSpec) { s.Container.Ulimits = []Ulimit{{Name: "files"}} },
		"soft limit":           func(s *ServiceSpec) { s.Container.Ulimits = []Ulimit{{Name: "nofile", Soft: 2, Hard: 1}} },
		"security option":      func(s *ServiceSpec) { s.Container.SecurityOpts = []string{"selinux"} },
		"health check test":    func(s *ServiceSpec) { s.Container.Health = &HealthCheck{Test: []string{"curl"}} },
		"want NAME:ADDRESS":    func(s *ServiceSpec) { s.Container.Hosts = []string{"db"} },
		"dns server":           func(s *ServiceSpec) { s.Container.DNS = []string{"here"} },
		"dns search domain":    func(s *ServiceSpec) { s.Container.DNSSearch = []string{"a b"} },
		"dns option":           func(s *ServiceSpec) { s.Container.DNSOptions = []string{"ndots:1\nnameserver 10.0.0.1"} },
		"must not be negative": func(s *ServiceSpec) { s.Resources.Limits.NanoCPUs = -1 },
		"6 MiB":                func(s *ServiceSpec) { s.Resources.Limits.Memory = 1 },
		`uid "joe"`:            func(s *ServiceSpec) { s.Container.Secrets = []FileReference{{Source: "key", UID: "joe"}} },
		`gid "-1"`:             func(s *ServiceSpec) { s.Container.Configs = []FileReference{{Source: "a"}, {Source: "b", GID: "-1"}} },
		"unclosed action":      func(s *ServiceSpec) { s.Container.Env = []string{"SLOT={{.Task.Slot"} },
		"not allowed":          func(s *ServiceSpec) { s.Container.Hostname = "{{range 9}}{{end}}" },
		`function "env"`: func(s *ServiceSpec) {
			s.Container.Mounts = []Mount{{Type: MountVolume, Source: `{{env "X"}}`, Target: "/x"}}
		},
		"post_start hook: a command": func(s *ServiceSpec) { s.Container.PostStart = []Hook{{}} },
		"pre_stop hook: working": func(s *ServiceSpec) {
			s.Container.PreStop = []Hook{{Command: []string{"x"}}, {Command: []string{"x"}, Dir: "here"}}
		},
		"pre_stop hook: environment": func(s *ServiceSpec) { s.Container.PreStop = []Hook{{Command: []string{"x"}, Env: []string{"=x"}}} },
		"memory reservation": func(s *ServiceSpec) {
			s.Resources = Resources{Limits: ResourceSet{Memory: 1 << 30}, Reservations: ResourceSet{Memory: 2 << 30}}
		},
		"restart condition": func(s *ServiceSpec) { s.Restart.Condition = "always" },
		"restart condition none with max attempts 3": func(s *ServiceSpec) {
			s.Restart.Condition, s.Restart.MaxAttempts = RestartNone, pointer(3)
		},
		"restart max attempts": func(s *ServiceSpec) { s.Restart.MaxAttempts = pointer(-1) },
		"constraint":           func(s *ServiceSpec) { s.Placement.Constraints = []string{"zone=a"} },
		"spread":               func(s *ServiceSpec) { s.Placement.Preferences = []Preference{{Spread: "zone"}} },
		"auto-rebalance":       func(s *ServiceSpec) { s.Mode, s.Placement.Rebalance = ModeGlobal, true },
		"update parallelism":   func(s *ServiceSpec) { s.Update.Parallelism = pointer(-1) },
		"failure ratio":        func(s *ServiceSpec) { s.Update.MaxFailureRatio = math.NaN() },
		"update order":         func(s *ServiceSpec) { s.Update.Order = "both" },
		"not rolled back":      func(s *ServiceSpec) { s.Rollback.FailureAction = FailureRollback },
		`protocol "icmp"`:      func(s *ServiceSpec) { s.Ports[0].Protocol = "icmp" },
		"port is missing":      func(s *ServiceSpec) { s.Ports[0].Target = 0 },
		"published twice":      func(s *ServiceSpec) { s.Ports = append(s.Ports, s.Ports[0]) },
		"host IP":              func(s *ServiceSpec) { s.Ports[0].HostIP = "here" },
		"dnsrr|vip":            func(s *ServiceSpec) { s.Endpoint = EndpointDNSRR },
		"network mode":         func(s *ServiceSpec) { s.NetworkMode = "bridge" },
		"no port":              func(s *ServiceSpec) { s.NetworkMode = "host" },
		"itself":               func(s *ServiceSpec) { s.DependsOn = []Dependency{{Service: "web", Condition: DependencyStarted}} },
	} {
		t.Run(says, func(t *testing.T) {
			spec := valid()
			spoil(&spec)
			err := spec.Validate()
			require.Error(t, err)
			require.Equal(t, CodeInvalid, CodeOf(err))
			require.NotContains(t, err.Error(), "\n")
			requireField(t, spec, err)
			word, _, _ := strings.Cut(says, "|")
			if word != "dnsrr" {
				require.Contains(t, err.Error(), word)
			}
		})
	}
}

// requireField checks that an error names a field that a spec has.
func requireField(t *testing.T, spec ServiceSpec, err error) {
	var invalid *Error
	require.ErrorAs(t, err, &invalid)
	at := reflect.TypeOf(spec)
	for _, name := range strings.Split(invalid.Field, ".") {
		switch at.Kind() {
		case reflect.Slice:
			_, err := strconv.Atoi(name)
			require.NoError(t, err, invalid.Field)
			at = at.Elem()
			continue
		case reflect.Pointer:
			at = at.Elem()
		}
		field, found := at.FieldByNameFunc(func(field string) bool {
			f, _ := at.FieldByName(field)
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return tag == name
		})
		require.True(t, found, "%q of %q", name, invalid.Field)
		at = field.Type
	}
}

func TestAnAppThatWaitsForItselfIsRefused(t *testing.T) {
	service := func(name string, on ...string) ServiceSpec {
		spec := ServiceSpec{Name: name, Container: ContainerSpec{Image: "x"}}
		for _, each := range on {
			spec.DependsOn = append(spec.DependsOn, Dependency{Service: each, Condition: DependencyStarted})
		}
		spec.Defaults()
		return spec
	}
	app := AppSpec{Name: "a", Services: map[string]ServiceSpec{"x": service("x", "y"), "y": service("y", "z"), "z": service("z")}}
	require.NoError(t, app.Validate())
	app.Services["z"] = service("z", "x")
	require.ErrorContains(t, app.Validate(), "x → y → z → x")
	app.Services["z"] = service("z", "nothing")
	require.ErrorContains(t, app.Validate(), "no such service")
}

func TestDiffSaysWhatChangedAndHidesSecrets(t *testing.T) {
	before, after := valid(), valid()
	require.True(t, EqualSpec(before, after))
	require.Empty(t, DiffSpec(before, after))
	after.Container.Image, after.Container.RegistryAuth, after.Labels = "web:2.0", "c2VjcmV0", map[string]string{"tier": "front"}
	require.False(t, EqualSpec(before, after))
	require.Equal(t, []string{"container.image: web:1.0 → web:2.0", "container.registryAuth: changed", "labels.tier: (none) → front"}, DiffSpec(before, after))
}

func TestSignals(t *testing.T) {
	for text, want := range map[string]int{"SIGTERM": 15, "term": 15, "9": 9, "RTMIN+3": 37, "SIGRTMAX-1": 63} {
		number, err := SignalNumber(text)
		require.NoError(t, err, text)
		require.Equal(t, want, number)
	}
	for _, text := range []string{"", "0", "65", "SIG", "RTMIN-1", "RTMIN+x"} {
		_, err := SignalNumber(text)
		require.Error(t, err, text)
	}
}

func TestIsolation(t *testing.T) {
	after, err := ParseIsolation("stop-after=1m30s")
	require.NoError(t, err)
	require.Equal(t, Duration(90*time.Second), *after)
	after, err = ParseIsolation("continue")
	require.NoError(t, err)
	require.Nil(t, after)
	for _, text := range []string{"", "stop", "stop-after", "stop-after=", "stop-after=30", "30s"} {
		_, err := ParseIsolation(text)
		require.ErrorContains(t, err, "use continue, or stop-after=30s", text)
	}
}

func TestTokens(t *testing.T) {
	token := Token{Digest: strings.Repeat("ab", 32), Secret: NewID()}
	parsed, err := ParseToken(token.String() + "\n")
	require.NoError(t, err)
	require.Equal(t, token, parsed)
	for _, text := range []string{"", "ORC-1-", "SWMTKN-1-a-b", token.String()[:40], token.String() + "x"} {
		_, err := ParseToken(text)
		require.Error(t, err, text)
	}
}
