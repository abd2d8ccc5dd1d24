package api

import "time"

// Usage is how much of one kind a node keeps on its disk, for `orc system df`.
type Usage struct {
	Count int `json:"count"`
	// Active is how many of them something uses.
	Active int `json:"active"`
	// Size and Reclaimable, what the others take, are in bytes.
	Size        int64 `json:"size"`
	Reclaimable int64 `json:"reclaimable"`
}

// NodeUsage is what one node keeps on its disk.
type NodeUsage struct {
	Node     string `json:"node"`
	NodeName string `json:"nodeName"`
	// Message, when set, says why nothing is known of the node.
	Message    string `json:"message,omitempty"`
	Images     Usage  `json:"images"`
	Containers Usage  `json:"containers"`
	Volumes    Usage  `json:"volumes"`
	Logs       Usage  `json:"logs"`
	// Total and Free are the bytes of the file system that it is on.
	Total int64 `json:"total"`
	Free  int64 `json:"free"`
}

// VolumeView is a named volume: declared, on nodes, or both.
type VolumeView struct {
	Volume // without an ID when nobody declared it
	// Nodes have its data, in the order of their names.
	Nodes []NodeVolume `json:"nodes"`
	// UsedBy are the services that mount it, sorted.
	UsedBy []string `json:"usedBy,omitempty"`
}

// NodeVolume is a volume's data on one node.
type NodeVolume struct {
	Node     string `json:"node"`
	NodeName string `json:"nodeName"`
	// Message, when set, says why the node told nothing of it but that it is there.
	Message string `json:"message,omitempty"`
	// Size is in bytes on disk; negative when it is not known.
	Size    int64     `json:"size"`
	Created time.Time `json:"created,omitzero"`
	// InUse says that a container, or a task that is to have one, mounts it.
	InUse bool `json:"inUse,omitempty"`
}

// ImageView is an image that was loaded into the cluster, that nodes have, or
// both.
type ImageView struct {
	Image // without an ID when nodes pulled it
	// Nodes have it, in the order of their names.
	Nodes []NodeImage `json:"nodes"`
	// UsedBy are the services of its name and digest, sorted.
	UsedBy []string `json:"usedBy,omitempty"`
}

// NodeImage is an image on one node.
type NodeImage struct {
	Node     string `json:"node"`
	NodeName string `json:"nodeName"`
	Loaded   bool   `json:"loaded,omitempty"`
	// InUse says that a container, or a task that is to have one, needs it.
	InUse bool `json:"inUse,omitempty"`
}

// Listing is a list of what nodes have, with the nodes that could not be asked.
type Listing[T any] struct {
	Items []T        `json:"items"`
	Away  []NodeAway `json:"away,omitempty"`
}

// NodeAway is a node that could not be asked, and why.
type NodeAway struct {
	Node     string `json:"node"`
	NodeName string `json:"nodeName"`
	Message  string `json:"message"`
}

// PruneRequest is POST /v1/prune: remove what nothing uses.
type PruneRequest struct {
	Images  bool `json:"images,omitempty"`
	Volumes bool `json:"volumes,omitempty"`
	// Logs are those of tasks that have ended.
	Logs bool `json:"logs,omitempty"`
	// All takes in the images that were loaded and the volumes that are declared.
	All bool `json:"all,omitempty"`
	// Node limits it to one; empty is all.
	Node   string `json:"node,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
}

// NodePruned is what was, or would be, removed from one node.
type NodePruned struct {
	Node     string `json:"node"`
	NodeName string `json:"nodeName"`
	// Message, when set, says why nothing was removed.
	Message string    `json:"message,omitempty"`
	Volumes []Removal `json:"volumes,omitempty"`
	Images  []Removal `json:"images,omitempty"`
	Logs    []Removal `json:"logs,omitempty"`
}

// Removal is one thing that was, or would be, removed.
type Removal struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
	// Error, when set, says why it is still there.
	Error string `json:"error,omitempty"`
}
