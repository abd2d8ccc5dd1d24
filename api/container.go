package api

import "io/fs"

// ContainerSpec describes the container that each task runs.
type ContainerSpec struct {
	// Image is the reference as the user gave it ("nginx:1.27"); Digest is what
	// the manager resolved it to ("sha256:…"), which nodes run. Digest is empty
	// only when a user asked for --no-resolve-image.
	Image  string `json:"image"`
	Digest string `json:"digest,omitempty"`
	// RegistryAuth is a docker-style auth for pulling: base64 of
	// {"username":…,"password":…}. It is never shown by the API.
	RegistryAuth string `json:"registryAuth,omitempty"`

	// Entrypoint replaces the image's entrypoint when not nil; Args replace its
	// command when not nil. Setting Entrypoint alone drops the image's command,
	// as Docker does.
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Args       []string          `json:"args,omitempty"`
	Env        []string          `json:"env,omitempty"` // "NAME=value"
	Labels     map[string]string `json:"labels,omitempty"`
	Dir        string            `json:"dir,omitempty"`
	User       string            `json:"user,omitempty"` // name|uid[:group|gid]
	Groups     []string          `json:"groups,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	Domainname string            `json:"domainname,omitempty"`
	TTY        bool              `json:"tty,omitempty"`
	OpenStdin  bool              `json:"openStdin,omitempty"`
	ReadOnly   bool              `json:"readOnly,omitempty"`
	Init       *bool             `json:"init,omitempty"`
	StopSignal string            `json:"stopSignal,omitempty"`
	// StopGrace is how long a container has between its stop signal and SIGKILL;
	// nil means DefaultStopGrace.
	StopGrace *Duration `json:"stopGrace,omitempty"`

	Mounts  []Mount         `json:"mounts,omitempty"`
	Secrets []FileReference `json:"secrets,omitempty"`
	Configs []FileReference `json:"configs,omitempty"`
	Health  *HealthCheck    `json:"health,omitempty"`
	// PostStart run one after the other once the container has started: it counts as
	// running when all have ended well, and is stopped when one fails. PreStop run
	// before the stop signal, within StopGrace; that one fails stops nothing.
	PostStart []Hook `json:"postStart,omitempty"`
	PreStop   []Hook `json:"preStop,omitempty"`

	Ulimits []Ulimit          `json:"ulimits,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
	Devices []Device          `json:"devices,omitempty"`

	CapAdd       []string `json:"capAdd,omitempty"`
	CapDrop      []string `json:"capDrop,omitempty"`
	Privileged   bool     `json:"privileged,omitempty"`
	SecurityOpts []string `json:"securityOpts,omitempty"` // no-new-privileges, seccomp=unconfined
	PidMode      string   `json:"pidMode,omitempty"`      // "" or "host"
	IpcMode      string   `json:"ipcMode,omitempty"`      // "" (private) or "host"
	// ShmSize is the size of /dev/shm in bytes; 0 means 64 MiB.
	ShmSize     int64 `json:"shmSize,omitempty"`
	OOMScoreAdj int   `json:"oomScoreAdj,omitempty"`

	DNS        []string `json:"dns,omitempty"`
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
	Hosts      []string `json:"hosts,omitempty"` // "name:address", for /etc/hosts

	// LogMaxSize (bytes, default 10 MiB) and LogMaxFiles (default 3) bound the
	// container's log.
	LogMaxSize  int64 `json:"logMaxSize,omitempty"`
	LogMaxFiles int   `json:"logMaxFiles,omitempty"`
}

// MountType says what a mount shows.
type MountType string

// The mount types.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
)

// Mount is a file system inside a container.
type Mount struct {
	Type MountType `json:"type"`
	// Source is a path on the node (bind), a volume's name (volume; empty for an
	// anonymous one that goes with its task), or nothing (tmpfs).
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Propagation of a bind: rprivate (default), private, rshared, shared, rslave, slave.
	Propagation string `json:"propagation,omitempty"`
	// CreateSource makes a bind's missing source directory, as Compose's short
	// form does.
	CreateSource bool `json:"createSource,omitempty"`
	// NoCopy leaves a new volume empty instead of populating it from the image.
	NoCopy bool `json:"noCopy,omitempty"`
	// Subpath is a directory within a volume.
	Subpath string `json:"subpath,omitempty"`
	// Driver options of a volume: type, o, device, as `docker volume create -o`.
	Options map[string]string `json:"options,omitempty"`
	// TmpfsSize in bytes (0: half of memory); TmpfsMode are permission bits (0: 1777).
	TmpfsSize int64       `json:"tmpfsSize,omitempty"`
	TmpfsMode fs.FileMode `json:"tmpfsMode,omitempty"`
}

// FileReference gives a secret or a config to a container.
type FileReference struct {
	// Source is the name at submit; ID is set once stored, with the version.
	Source  string `json:"source"`
	ID      string `json:"id,omitempty"`
	Version int    `json:"version,omitempty"`
	// Template is set once stored, when the content is one.
	Template bool        `json:"template,omitempty"`
	Target   string      `json:"target,omitempty"` // default /run/secrets/NAME or /NAME
	UID      string      `json:"uid,omitempty"`
	GID      string      `json:"gid,omitempty"`
	Mode     fs.FileMode `json:"mode,omitempty"` // 0: 0444
}

// Ulimit is a limit of the container's process (getrlimit(2)); -1 is unlimited.
type Ulimit struct {
	Name string `json:"name"` // nofile, nproc, …
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Device gives a device node of the host to a container.
type Device struct {
	Source      string `json:"source"`
	Target      string `json:"target,omitempty"`
	Permissions string `json:"permissions,omitempty"` // default "rwm"
}

// HealthCheck is a command that tells whether a container serves.
type HealthCheck struct {
	// Test is ["NONE"], ["CMD", args…] or ["CMD-SHELL", line]; empty means the
	// image's own.
	Test []string `json:"test,omitempty"`
	// Interval (30 s) between checks; Timeout (30 s) of one; StartPeriod (0 s) in
	// which failures don't count, with checks every StartInterval (5 s). Zero
	// means the default in parentheses, or the image's own.
	Interval      Duration `json:"interval,omitempty"`
	Timeout       Duration `json:"timeout,omitempty"`
	StartPeriod   Duration `json:"startPeriod,omitempty"`
	StartInterval Duration `json:"startInterval,omitempty"`
	// Retries (3) is how many failures in a row make a container unhealthy.
	Retries int `json:"retries,omitempty"`
}

// Disabled reports whether the check switches the image's own off.
func (h *HealthCheck) Disabled() bool { return h != nil && len(h.Test) > 0 && h.Test[0] == "NONE" }
