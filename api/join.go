package api

// JoinRequest is POST /v1/join: the one request, beside GET /v1/ca, that needs no
// certificate.
type JoinRequest struct {
	Secret string `json:"secret"` // of the join token
	// Request is a certificate request (PEM) for the key that the node made.
	Request []byte `json:"request"`
	// Role is what the sender is going to be; the secret must be of that role.
	Role   Role              `json:"role"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Runs   bool              `json:"runs"` // whether it runs containers
	// API is where a joining manager's API is reached (host:port).
	API string `json:"api,omitempty"`
}

// JoinAnswer makes the sender a node.
type JoinAnswer struct {
	Node        Node   `json:"node"`
	Cluster     string `json:"cluster"`     // Cluster.Identity
	Certificate []byte `json:"certificate"` // PEM
	Roots       []byte `json:"roots"`       // PEM
	// Managers are the addresses (host:port) of all managers.
	Managers []string `json:"managers"`
}

// RenewRequest is POST /v1/renew, from a node by its certificate.
type RenewRequest struct {
	Request []byte `json:"request"` // PEM
}

// RenewAnswer has the node's next certificate, for the role it has now.
type RenewAnswer struct {
	Certificate []byte `json:"certificate"` // PEM
	Roots       []byte `json:"roots"`       // PEM
}

// MemberRequest is POST /v1/members, from a manager by its certificate: it has no
// database yet, or one that the cluster has given up.
type MemberRequest struct {
	Peer string `json:"peer"` // where its database is reached by the other managers (host:port)
	API  string `json:"api"`  // where its API is reached (host:port)
}

// MemberAnswer has what a manager's database starts with.
type MemberAnswer struct {
	// Ring is the keys that the database is sealed with: seal.Ring.Marshal.
	Ring []byte `json:"ring"`
	// Peers are the addresses (host:port) of all databases by name, its own too.
	Peers map[string]string `json:"peers"`
}
