package api

// App is what `orc deploy` submits, under one name, versioned as a whole.
type App struct {
	Meta
	Name    string `json:"name"`
	Current int    `json:"current"`
	Last    int    `json:"last"`
}

// Kind implements Object.
func (*App) Kind() Kind { return KindApp }

// UniqueName implements Named.
func (a *App) UniqueName() string { return a.Name }

// AppRevision is one numbered spec of an app; it never changes once written.
// Its ID is RevisionID(app, number).
type AppRevision struct {
	Meta
	App    string  `json:"app"`
	Number int     `json:"number"`
	Spec   AppSpec `json:"spec"`
}

// Kind implements Object.
func (*AppRevision) Kind() Kind { return KindAppRevision }

// AppSpec is an app: a Compose file in orc's own nouns. Services are named as
// in the file; the manager stores them as APP_SERVICE, as Docker's stacks are.
type AppSpec struct {
	Name     string                 `json:"name"`
	Services map[string]ServiceSpec `json:"services,omitempty"`
	Networks map[string]NetworkSpec `json:"networks,omitempty"`
	Volumes  map[string]VolumeSpec  `json:"volumes,omitempty"`
	Secrets  map[string]FileSpec    `json:"secrets,omitempty"`
	Configs  map[string]FileSpec    `json:"configs,omitempty"`
}

// NetworkSpec describes a network.
type NetworkSpec struct {
	Name     string            `json:"name,omitempty"` // default APP_KEY
	External bool              `json:"external,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Subnet   string            `json:"subnet,omitempty"` // CIDR; empty: from the pools
	Internal bool              `json:"internal,omitempty"`
	// Attachable is kept and shown for those who come from Swarm. It changes nothing:
	// it lets containers of no service onto a network, and orc has none.
	Attachable bool `json:"attachable,omitempty"`
	MTU        int  `json:"mtu,omitempty"`
}

// VolumeSpec describes a named volume.
type VolumeSpec struct {
	Name     string            `json:"name,omitempty"` // default APP_KEY
	External bool              `json:"external,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
}

// FileSpec describes a secret or config with its content, or an external one.
type FileSpec struct {
	Name     string            `json:"name,omitempty"` // default APP_KEY
	External bool              `json:"external,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Data     []byte            `json:"data,omitempty"`
	Template bool              `json:"template,omitempty"`
}
