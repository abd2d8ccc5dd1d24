package api

import "net/netip"

// NetworkView is a network with what is on it.
type NetworkView struct {
	Network
	// Usable are the addresses that the subnet has to give, Free those that neither a
	// node nor a service has.
	Usable int `json:"usable"`
	Free   int `json:"free"`
	// Virtual are the prefixes that services' virtual addresses come from.
	Virtual    []netip.Prefix     `json:"virtual,omitempty"`
	Services   []NetworkService   `json:"services"`
	Containers []NetworkContainer `json:"containers"`
	Blocks     []NetworkBlock     `json:"blocks"`
	// Warnings say what is wrong, one line each.
	Warnings []string `json:"warnings,omitempty"`
}

// NetworkService is a service on a network.
type NetworkService struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Virtual netip.Addr `json:"virtual,omitzero"` // none for the endpoint mode dnsrr
	Aliases []string   `json:"aliases,omitempty"`
	Ports   []Port     `json:"ports,omitempty"` // of the ingress network
}

// NetworkContainer is a task with an address on a network.
type NetworkContainer struct {
	Task      string     `json:"task"`
	Name      string     `json:"name"` // the task's
	Container string     `json:"container,omitempty"`
	NodeName  string     `json:"nodeName"`
	Address   netip.Addr `json:"address"`
	State     TaskState  `json:"state"`
}

// NetworkBlock is what a node hands out addresses from.
type NetworkBlock struct {
	Node     string         `json:"node"`
	NodeName string         `json:"nodeName"`
	Prefixes []netip.Prefix `json:"prefixes"`
	// Usable are the addresses that it has to give, Used those that containers have.
	Usable int `json:"usable"`
	Used   int `json:"used"`
	// Lacks says that tasks on the node wait for an address, and there is none.
	Lacks bool `json:"lacks,omitempty"`
}

// NetworkPrune is POST /v1/networks/prune: remove networks that no service uses.
type NetworkPrune struct {
	DryRun bool `json:"dryRun,omitempty"`
}

// ServiceAddress is a service's virtual address on a network.
type ServiceAddress struct {
	Network string     `json:"network"` // its name
	Address netip.Addr `json:"address"`
}
