package api

import "time"

// CARotation is a rotation of the CA's root. Each phase waits for every node that is
// not removed to have done what it asks; see Trust.
//
//	none ──▶ trust (all trust the new root beside the old one) ──▶ renew (all get a
//	certificate of the new one) ──▶ drop (all forget the old one) ──▶ none
type CARotation struct {
	Phase CAPhase `json:"phase,omitempty"`
	// Issuer is the digest of the root that nodes' certificates are to be of, unless
	// there never was another than the first.
	Issuer string `json:"issuer,omitempty"`
	// Key is the private key (PEM) of the root that is to come, until it issues.
	Key []byte `json:"key,omitempty"`
	// Bridges certify newer roots by older ones (PEM, the newest first). Managers show
	// them with their certificates, to databases that were started with an older root
	// alone and cannot be told of another while they run.
	Bridges []byte `json:"bridges,omitempty"`
}

// CAPhase is where a rotation of the CA's root is.
type CAPhase string

// The phases of a rotation of the CA's root.
const (
	CASettled CAPhase = ""
	CATrust   CAPhase = "trust"
	CARenew   CAPhase = "renew"
	CADrop    CAPhase = "drop"
)

// Trust is by which of the CA's roots a node goes: lower-case hex SHA-256 digests.
type Trust struct {
	// Roots are those that it trusts, in the cluster's order; Issuer is the one that
	// its own certificate is of.
	Roots  []string `json:"roots,omitempty"`
	Issuer string   `json:"issuer,omitempty"`
	// Database are those that a manager's database trusts when it dials others: what
	// Roots were when it was started.
	Database []string `json:"database,omitempty"`
}

// CAView is the cluster's CA as users see it.
type CAView struct {
	// Roots are those that are trusted, the newest last.
	Roots []RootView `json:"roots"`
	// Phase is where a rotation is; empty while there is none.
	Phase CAPhase `json:"phase,omitempty"`
	// Nodes is how many there are; Waiting are those that have not done yet what the
	// phase asks, by name.
	Nodes   int      `json:"nodes"`
	Waiting []CAWait `json:"waiting,omitempty"`
	// Restart are the names of the managers whose databases go on trusting a root that
	// is gone when they dial others, until orc is restarted there.
	Restart []string `json:"restart,omitempty"`
}

// CAWait is a node that a rotation waits for.
type CAWait struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Away says that it is not there: the rotation goes on when it is back, or removed.
	Away bool `json:"away,omitempty"`
}

// RootView is a root of the CA.
type RootView struct {
	// Digest is what join tokens have of it.
	Digest  string    `json:"digest"`
	Subject string    `json:"subject"`
	Begins  time.Time `json:"begins"`
	Ends    time.Time `json:"ends"`
	// Issues says that new certificates are of this one.
	Issues bool `json:"issues,omitempty"`
}

// RotateCA is POST /v1/ca/rotate. With neither of the two a new root is made.
type RotateCA struct {
	Certificate []byte `json:"certificate,omitempty"` // PEM, of the operator's own root
	Key         []byte `json:"key,omitempty"`         // PEM
}
