package member

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/store"
)

// Config is what a member needs to know. All but Peers, ForceNew, Quota and
// Limits are required.
type Config struct {
	// Dir is the member's own directory; it is made if missing.
	Dir string
	// Name is the node's ID. Cluster is the cluster's identity: a directory of
	// another cluster is refused.
	Name, Cluster string
	// Listen is the address for the other managers, host:port with an IP address
	// as host. Advertise is what they dial; the same unless Listen is a wildcard.
	Listen, Advertise string
	// TLS secures what managers say to each other.
	TLS TLS
	// Peers are the addresses (host:port) of all members by name, this one
	// included, for one that joins; see Member.AddLearner. Empty makes a new
	// cluster of one. A directory with data has its members in itself: Peers is
	// ignored.
	Peers map[string]string
	// ForceNew makes the member, which has data, the only one of its cluster: what this
	// one had not heard of is lost, and the others are out. What it had just heard of is
	// kept, also if most members had not agreed on it yet: nobody was told that it was
	// not written.
	ForceNew bool
	// Quota is how large the database may grow, in bytes; 0 means DefaultQuota.
	Quota int64
	// Limits of what who dials this member may cost; the zero value means limit.Default.
	Limits limit.Limits
	// Logger gets what the database says, with its noise lowered.
	Logger *zap.Logger
}

// TLS is how managers know each other.
//
// What this member dials is checked by etcd, with files (PEM) of the node's
// certificate and key and of the cluster's roots: a renewed certificate is used as
// soon as it is in the file, new roots only by the next Start. Who dials this member
// is checked here, by what holds at the moment.
type TLS struct {
	CertFile, KeyFile, RootsFile string
	// ServerName is the DNS name that every manager's certificate has and no
	// other's.
	ServerName string
	// Inbound has the certificate that this member shows who dials it.
	Inbound *tls.Config
	// Verify checks who dials: that it is a manager of the cluster. It is asked again
	// of every open connection by Recheck.
	Verify func(tls.ConnectionState) error
	// Removed says whether the manager that shows this certificate, which has its name as
	// CN, was removed. Once its member is gone too it is put out and kept out. It may be
	// nil.
	Removed func(*x509.Certificate) bool
	// Agreed says of the manager that shows this certificate whether its member, if the
	// database knows that it was removed, was so by those that it was one of, and may be
	// told: it ends for good then. Nil means that all were.
	Agreed func(*x509.Certificate) bool
}

// DefaultQuota is how large a database may grow, in bytes.
const DefaultQuota = 4 << 30

// Tuning of etcd.
const (
	// maxOps: an object may cost three operations, for itself, the name it had and
	// the name it gets; beside them there is the election.
	maxOps = 3*store.MaxOps + 16
	// maxRequest: values, sealed, and the keys of all operations.
	maxRequest = store.MaxBytes + maxOps*256
	// keepRevisions is how much history a watcher can catch up with. It then
	// lists again, so little is enough.
	keepRevisions = "1000"
	// Transactions are large, so few of them are kept in memory (two to three
	// times this many) before the log is cut.
	logEntries = 500
	// heartbeat and election, in milliseconds: a follower that hears nothing for one
	// to two elections stands for election itself. Shorter ones would depose leaders
	// whose disk or core is only slow for a moment.
	heartbeat, election = 100, 700
	// writeBack is how often what was applied goes to the database's file. It is
	// durable before that, in the log; etcd's own 100 ms wake an idle host for nothing.
	writeBack = time.Second
	// maxLearners is how many managers may join at once.
	maxLearners = 7
)

func (c Config) check() error {
	for name, value := range map[string]string{
		"Dir": c.Dir, "Name": c.Name, "Cluster": c.Cluster, "Listen": c.Listen, "Advertise": c.Advertise,
		"TLS.CertFile": c.TLS.CertFile, "TLS.KeyFile": c.TLS.KeyFile, "TLS.RootsFile": c.TLS.RootsFile, "TLS.ServerName": c.TLS.ServerName,
	} {
		if value == "" {
			return fmt.Errorf("database: %s is needed", name)
		}
	}
	switch {
	case c.Logger == nil:
		return errors.New("database: Logger is needed")
	case c.TLS.Inbound == nil || c.TLS.Verify == nil:
		return errors.New("database: TLS.Inbound and TLS.Verify are needed")
	}
	return nil
}

// etcd translates the configuration. No client listens anywhere, and the others are
// heard at a port of ours.
func (c Config) etcd(logger *zap.Logger) (*embed.Config, error) {
	e := embed.NewConfig()
	e.Name, e.Dir = c.Name, dataDir(c.Dir)
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	e.ListenClientUrls, e.AdvertiseClientUrls, e.ListenPeerUrls = []url.URL{}, []url.URL{}, []url.URL{}
	for _, address := range []string{c.Listen, c.Advertise} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("database: address %q: want host:port", address)
		}
	}
	e.AdvertisePeerUrls = []url.URL{peerURL(c.Advertise)}
	e.PeerTLSInfo = transport.TLSInfo{
		CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, TrustedCAFile: c.TLS.RootsFile,
		ServerName: c.TLS.ServerName, AllowedHostnames: []string{c.TLS.ServerName},
		Logger: logger,
	}
	e.TlsMinVersion = "TLS1.3"
	e.InitialClusterToken = c.Cluster
	e.ClusterState, e.InitialCluster = embed.ClusterStateFlagNew, c.Name+"="+e.AdvertisePeerUrls[0].String()
	if len(c.Peers) > 0 {
		e.ClusterState, e.InitialCluster = embed.ClusterStateFlagExisting, initialCluster(c.Peers)
	}
	e.ForceNewCluster = c.ForceNew
	e.MaxTxnOps, e.MaxRequestBytes = maxOps, maxRequest
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModeRevision, keepRevisions
	e.SnapshotCount, e.SnapshotCatchUpEntries = logEntries, logEntries
	e.QuotaBackendBytes = c.Quota
	if c.Quota == 0 {
		e.QuotaBackendBytes = DefaultQuota
	}
	e.TickMs, e.ElectionMs = heartbeat, election
	e.BackendBatchInterval = writeBack
	// Who changes members thinks of the quorum before (server/managers), with what
	// etcd cannot know: which managers are about to leave, and why.
	e.StrictReconfigCheck, e.MaxLearners = false, maxLearners
	return e, nil
}

func initialCluster(peers map[string]string) string {
	var parts []string
	for name, address := range peers {
		parts = append(parts, name+"="+(&url.URL{Scheme: "https", Host: address}).String())
	}
	return strings.Join(parts, ",")
}

func peerURL(address string) url.URL { return url.URL{Scheme: "https", Host: address} }
