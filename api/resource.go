package api

// Secret is content for containers that nobody may read back. Config is the
// same with content that may be shown. Version counts updates from 1.
type Secret struct {
	Meta
	Name    string   `json:"name"`
	App     string   `json:"app,omitempty"`
	Spec    FileSpec `json:"spec"`
	Current int      `json:"current"`
}

// Kind implements Object.
func (*Secret) Kind() Kind { return KindSecret }

// UniqueName implements Named.
func (s *Secret) UniqueName() string { return s.Name }

// Config is content for containers; see Secret.
type Config struct {
	Meta
	Name    string   `json:"name"`
	App     string   `json:"app,omitempty"`
	Spec    FileSpec `json:"spec"`
	Current int      `json:"current"`
}

// Kind implements Object.
func (*Config) Kind() Kind { return KindConfig }

// UniqueName implements Named.
func (c *Config) UniqueName() string { return c.Name }

// Volume is a named volume that a user or an app declared. The data is on the
// nodes; see NodeInfo.Volumes.
type Volume struct {
	Meta
	Name string     `json:"name"`
	App  string     `json:"app,omitempty"`
	Spec VolumeSpec `json:"spec"`
}

// Kind implements Object.
func (*Volume) Kind() Kind { return KindVolume }

// UniqueName implements Named.
func (v *Volume) UniqueName() string { return v.Name }

// Image is an image that `orc image load` put on the nodes: the manager resolves
// its name to its digest without a registry.
type Image struct {
	Meta
	Name   string      `json:"name"` // normalized: docker.io/library/web:1.0
	Digest string      `json:"digest"`
	Size   int64       `json:"size"`
	Config ImageConfig `json:"config"`
}

// Kind implements Object.
func (*Image) Kind() Kind { return KindImage }

// UniqueName implements Named.
func (i *Image) UniqueName() string { return i.Name }

// ImageConfig is what a manager needs to know of an image.
type ImageConfig struct {
	Platforms    []Platform `json:"platforms,omitempty"`
	ExposedPorts []string   `json:"exposedPorts,omitempty"`
}
