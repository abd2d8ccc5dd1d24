package ca

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orc-project/orc/api"
)

// Credentials are a node's certificate, its key and the roots it trusts. They
// can be replaced while connections made with them go on; new ones use the new.
// Safe for use by several goroutines.
type Credentials struct {
	state atomic.Pointer[credentialState]

	mu       sync.Mutex
	replaced chan struct{} // closed and made anew by Replace; nil while nobody waits
}

type credentialState struct {
	peer        Peer
	certificate tls.Certificate
	roots       *x509.CertPool
	trust       api.Trust
	trusted     []*x509.Certificate
}

// NewCredentials reads PEM and checks that the parts belong together.
func NewCredentials(certificate, key, roots []byte) (*Credentials, error) {
	c := &Credentials{}
	return c, c.Replace(certificate, key, roots)
}

// Replace puts a renewed certificate or new roots in force. On error the old ones
// stay.
func (c *Credentials) Replace(certificate, key, roots []byte) error {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("read the certificate and its key: %w", err)
	}
	peer, ok := peerOf(pair.Leaf)
	if !ok {
		return errors.New("read the certificate: it is not one of an orc cluster")
	}
	trusted, err := parseCertificates(roots)
	if err != nil {
		return fmt.Errorf("read the CA's certificates: %w", err)
	}
	state := &credentialState{peer: peer, certificate: pair, roots: x509.NewCertPool(), trusted: trusted}
	for _, each := range trusted {
		state.roots.AddCert(each)
		state.trust.Roots = append(state.trust.Roots, digest(each))
		if pair.Leaf.CheckSignatureFrom(each) == nil {
			state.trust.Issuer = digest(each)
		}
	}
	var between []*x509.Certificate
	for _, der := range pair.Certificate[1:] {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read what leads to the certificate's root: %w", err)
		}
		between = append(between, certificate)
	}
	issued := Issued(pair.Leaf).Add(time.Second) // it is told to the second, and so is when a root begins
	if err := verify(pair.Leaf, between, x509.VerifyOptions{Roots: state.roots, CurrentTime: issued}); err != nil {
		return fmt.Errorf("check the certificate against the CA: %w", err)
	}
	c.state.Store(state)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replaced != nil {
		close(c.replaced)
		c.replaced = nil
	}
	return nil
}

// Replaced is closed when the credentials are replaced the next time.
func (c *Credentials) Replaced() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replaced == nil {
		c.replaced = make(chan struct{})
	}
	return c.replaced
}

// Trust is by which roots these credentials go.
func (c *Credentials) Trust() api.Trust { return c.state.Load().trust }

// Peer is who these credentials make one.
func (c *Credentials) Peer() Peer { return c.state.Load().peer }

// Leaf is the certificate in force.
func (c *Credentials) Leaf() *x509.Certificate { return c.state.Load().certificate.Leaf }

// Check says whether the certificate is valid at now, in words for the operator.
func (c *Credentials) Check(now time.Time) error {
	leaf := c.Leaf()
	if now.Before(leaf.NotBefore) {
		return api.Invalidf("this node's certificate is not valid before %s: is the clock right (it says %s)?",
			leaf.NotBefore.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if now.After(leaf.NotAfter) {
		return api.Invalidf("this node's certificate ended at %s (the clock says %s): remove the node, empty its data directory and join again",
			leaf.NotAfter.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}

// RenewAt is when the certificate should be renewed: at a random point between
// 50 and 80 % of its life, so that a cluster's nodes don't come all at once.
func (c *Credentials) RenewAt() time.Time {
	leaf := c.Leaf()
	issued := Issued(leaf)
	life := leaf.NotAfter.Sub(issued)
	spread, err := rand.Int(rand.Reader, big.NewInt(int64(life)*3/10+1))
	if err != nil {
		spread = big.NewInt(0)
	}
	return issued.Add(life/2 + time.Duration(spread.Int64()))
}

// Server is the TLS configuration of a manager's listener: TLS 1.3 only; a
// certificate that the client shows must be of the cluster, but it may show none.
func (c *Credentials) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			state := c.state.Load()
			return &tls.Config{
				MinVersion:             tls.VersionTLS13,
				NextProtos:             []string{"h2", "http/1.1"},
				Certificates:           []tls.Certificate{state.certificate},
				ClientAuth:             tls.VerifyClientCertIfGiven,
				ClientCAs:              state.roots,
				SessionTicketsDisabled: true, // every connection is checked anew
			}, nil
		},
		// crypto/tls wants to see a certificate here too.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &c.state.Load().certificate, nil
		},
	}
}

// Client is the TLS configuration for one dial to a manager of the same cluster:
// ask for a new one at each dial, for roots change.
func (c *Credentials) Client() *tls.Config {
	state := c.state.Load()
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		NextProtos:       []string{"h2"},
		RootCAs:          state.roots,
		ServerName:       ServerName(RoleManager),
		VerifyConnection: sameCluster(state.peer.Cluster),
		// Always shown: crypto/tls itself would leave out one that the server does
		// not ask for, and the refusal would be harder to understand.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &state.certificate, nil
		},
	}
}

// VerifyManager checks, by the roots in force now, that the other end of a connection
// has the certificate of a manager of the same cluster.
func (c *Credentials) VerifyManager(connection tls.ConnectionState) error {
	if len(connection.PeerCertificates) == 0 {
		return errors.New("the other end shows no certificate")
	}
	state, leaf := c.state.Load(), connection.PeerCertificates[0]
	if peer, ok := peerOf(leaf); !ok || peer.Role != RoleManager || peer.Cluster != state.peer.Cluster {
		return errors.New("the other end is no manager of this cluster")
	}
	return verify(leaf, connection.PeerCertificates[1:], x509.VerifyOptions{Roots: state.roots})
}

// Trusts says whether the root by which a connection's other end was verified is one
// that is trusted now.
func (c *Credentials) Trusts(connection *tls.ConnectionState) bool {
	for _, chain := range connection.VerifiedChains {
		if slices.ContainsFunc(c.state.Load().trusted, chain[len(chain)-1].Equal) {
			return true
		}
	}
	return false
}

// verify checks a node's certificate, which may come with what leads to a root.
func verify(leaf *x509.Certificate, between []*x509.Certificate, options x509.VerifyOptions) error {
	options.KeyUsages, options.Intermediates = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, x509.NewCertPool()
	for _, each := range between {
		options.Intermediates.AddCert(each)
	}
	_, err := leaf.Verify(options)
	return err
}

// Joining is the TLS configuration to meet a manager with, by its root alone
// (PEM, from CheckRoots), before one has a certificate.
func Joining(root []byte) (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return nil, errors.New("read the CA's certificate: there is none")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, RootCAs: pool, ServerName: ServerName(RoleManager),
	}, nil
}

func sameCluster(cluster string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		peer, ok := PeerOf(&state)
		if !ok || peer.Role != RoleManager || peer.Cluster != cluster {
			return errors.New("the other end is no manager of this cluster")
		}
		return nil
	}
}
