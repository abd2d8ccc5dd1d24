package api

import (
	"strconv"
	"time"
)

// Cluster is the one object of KindCluster; its ID is ClusterID.
type Cluster struct {
	Meta
	// Name is random words for people; Identity is the ID that tells clusters
	// apart: data directories and certificates carry it.
	Name     string `json:"name"`
	Identity string `json:"identity"`
	// Roots are the CA certificates (PEM) that are trusted, the newest last.
	// CAKey is the private key (PEM) of the one that issues; it never leaves the managers.
	Roots []byte `json:"roots"`
	CAKey []byte `json:"caKey"`
	// CA is how far a rotation of the root is.
	CA CARotation `json:"ca,omitzero"`
	// Tokens let hosts join.
	Tokens []StoredToken `json:"joinTokens"`
	// UnlockKey is what an operator keeps outside of the cluster: snapshots open
	// with it, and managers after a restart when the cluster locks itself.
	UnlockKey string   `json:"unlockKey"`
	Settings  Settings `json:"settings"`
	// Keys is how far a rotation of the keys is that seal the database.
	Keys KeyRotation `json:"keys,omitzero"`
	// Banned says, by node ID, who was a manager and since when it is none any more, which
	// is how long to remember it: the clocks of the managers are not compared.
	// Certificates from before say otherwise for as long as they last: the other managers'
	// databases do not hear who shows one.
	Banned map[string]time.Time `json:"banned,omitempty"`
	// BannedTerms says of those who are workers now which of their certificates are meant:
	// those of that api.Node.Term and the ones before. Of who is not in it, all are.
	BannedTerms map[string]int `json:"bannedTerms,omitempty"`
	// LeftBehind are, by node ID, those of the banned that this cluster was forced to go on
	// without (orc server --force-new-cluster), or that a restored snapshot knew.
	LeftBehind map[string]LeftBehind `json:"leftBehind,omitempty"`
	// LongestLife is the longest Settings.CertLifetime there has been; zero while it is
	// the one there is.
	LongestLife Duration `json:"longestLife,omitempty"`
	// LastNumber is the highest node number given so far.
	LastNumber uint16 `json:"lastNumber"`
}

// ClusterID is the ID of the one Cluster object.
const ClusterID = "cluster"

// Kind implements Object.
func (*Cluster) Kind() Kind { return KindCluster }

// Settings are what an operator may change of a cluster.
type Settings struct {
	// CertLifetime of node certificates; default 90 days, at least one hour.
	CertLifetime Duration `json:"certLifetime,omitempty"`
	// NodeTimeout is how long a node may be silent; default 3 s, so that
	// replacements run within 5 s.
	NodeTimeout Duration `json:"nodeTimeout,omitempty"`
	// AddressPools are the CIDRs that networks get their subnets from, in this order;
	// default DefaultAddressPool and FallbackAddressPool.
	AddressPools []string `json:"addressPools,omitempty"`
	// SubnetBits is the prefix length of the subnets that networks get; default
	// DefaultSubnetBits.
	SubnetBits int `json:"subnetBits,omitempty"`
	// DataPort is the UDP port that nodes send each other containers' packets on
	// (VXLAN); default DefaultDataPort. It is chosen with the cluster, for good.
	DataPort uint16 `json:"dataPort,omitempty"`
	// Autolock keeps what opens a manager's database off its disk: after a restart
	// it does nothing until an operator gives it the unlock key.
	Autolock bool `json:"autolock,omitempty"`
	// SnapshotInterval is the time between two snapshots that each manager makes of
	// the database by itself and keeps on its disk; 0 is none. SnapshotKeep is how
	// many it keeps; default 5.
	SnapshotInterval Duration `json:"snapshotInterval,omitempty"`
	SnapshotKeep     int      `json:"snapshotKeep,omitempty"`
}

// The defaults of Settings.
const (
	DefaultCertLifetime = 90 * 24 * time.Hour
	MinCertLifetime     = time.Hour
	DefaultNodeTimeout  = 3 * time.Second
	// DefaultSnapshotInterval is that of a new cluster.
	DefaultSnapshotInterval = 12 * time.Hour
	MinSnapshotInterval     = time.Minute
	DefaultSnapshotKeep     = 5
	DefaultAddressPool      = "10.0.0.0/8"
	FallbackAddressPool     = "172.16.0.0/12" // for hosts that reach all of the first by a route of their own
	DefaultSubnetBits       = 20              // 4,096 networks of 4,094 addresses in the default pool
	DefaultDataPort         = 4789
)

// KeyRotation is a rotation of the keys that seal the database. Each step waits
// for every manager to have done what the one before asks; see Node.KeyStep.
//
//	none ──▶ spread (all get the new key) ──▶ use (all seal with it; then the
//	leader seals anew what older keys did) ──▶ drop (all forget those) ──▶ none
type KeyRotation struct {
	// Step counts up with every change of Phase.
	Step  int      `json:"step"`
	Phase KeyPhase `json:"phase,omitempty"`
	// ID of the new key; 0 until the leader has made it. The key itself is never in
	// the database: the old one would open it.
	ID uint32 `json:"id,omitempty"`
}

// KeyPhase is where a rotation of keys is.
type KeyPhase string

// The phases of a rotation of keys.
const (
	KeysSettled KeyPhase = ""
	KeysSpread  KeyPhase = "spread"
	KeysUse     KeyPhase = "use"
	KeysDrop    KeyPhase = "drop"
)

// RevisionID is the ID of revision number of a service or an app.
func RevisionID(id string, number int) string { return id + "." + strconv.Itoa(number) }
