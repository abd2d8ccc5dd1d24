// Package ca is the cluster's certificate authority: it makes the root, issues
// certificates to nodes and clients, says who the other end of a connection is,
// and keeps the join tokens. It never believes anything of a certificate request
// but its public key, never reads a clock and never stores anything.
//
// Every certificate is ECDSA P-256 (FIPS 186-5). A node's or client's carries
// the cluster's identity in O, the role in OU and its ID in CN; as DNS names it
// has its ID and ServerName(role), by which dialers check that they met one of
// that role, whatever its address.
package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
)

const (
	rootLifetime   = 20 * 365 * 24 * time.Hour
	clientLifetime = 365 * 24 * time.Hour
)

// span is how long a certificate is valid that is issued at now and ends at until:
// as long before as after. Who issues may have a clock that is ahead, and a
// certificate asks for it again while it is valid by that clock: so it is valid by
// the right one too.
func span(now, until time.Time) (from, to time.Time) {
	now = now.Truncate(time.Second) // as a certificate tells
	return now.Add(-until.Sub(now)), until
}

// Issued is when a certificate of the cluster was issued, by the clock of the manager
// that did it, to the second.
func Issued(certificate *x509.Certificate) time.Time {
	return certificate.NotBefore.Add(certificate.NotAfter.Sub(certificate.NotBefore) / 2)
}

// Authority can issue certificates. It is immutable and safe to share.
type Authority struct {
	cluster string
	roots   []byte
	root    *x509.Certificate // that issues
	key     *ecdsa.PrivateKey // its own
	bridges []byte            // that lead from it to older roots
	term    int               // of the node that certificates are issued to
}

// Of is the authority as it issues certificates to a node in a term (api.Node.Term).
func (a *Authority) Of(term int) *Authority {
	of := *a
	of.term = term
	return &of
}

// Term is that in which a node's certificate was issued; 0 when it does not say. It is
// the serialNumber of the subject, which tells names apart that are the same
// (X.520, section 6.2.9).
func Term(certificate *x509.Certificate) int {
	term, err := strconv.Atoi(certificate.Subject.SerialNumber)
	if err != nil {
		return 0
	}
	return term
}

// New makes an authority with a new root for the cluster of that identity.
func New(cluster string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the CA's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "orc CA", Organization: []string{cluster}},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	template.NotBefore, template.NotAfter = span(now, now.Add(rootLifetime))
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the CA's certificate: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the CA's certificate: %w", err)
	}
	return &Authority{cluster: cluster, roots: encodeCertificate(der), root: root, key: key}, nil
}

// Load finds the authority in the cluster's object.
func Load(cluster *api.Cluster) (*Authority, error) {
	if cluster == nil {
		return nil, api.Errorf(api.CodeUnavailable, "the cluster is not set up yet")
	}
	roots, err := parseCertificates(cluster.Roots)
	if err != nil {
		return nil, fmt.Errorf("read the CA's certificates: %w", err)
	}
	key, err := parseKey(cluster.CAKey)
	if err != nil {
		return nil, fmt.Errorf("read the CA's key: %w", err)
	}
	for _, root := range roots {
		if key.PublicKey.Equal(root.PublicKey) {
			return &Authority{cluster: cluster.Identity, roots: cluster.Roots, root: root, key: key, bridges: cluster.CA.Bridges}, nil
		}
	}
	return nil, errors.New("the CA's key does not belong to any of its certificates")
}

// Roots are the trusted CA certificates (PEM), the newest last.
func (a *Authority) Roots() []byte { return bytes.Clone(a.roots) }

// Key is the private key (PEM) of the root that issues, for the cluster's object.
func (a *Authority) Key() ([]byte, error) { return encodeKey(a.key) }

// Digest is what join tokens pin: the lower-case hex SHA-256 of the root that issues.
func (a *Authority) Digest() string { return digest(a.root) }

// SignNode issues a certificate to a node for the key that signed the request
// (PEM), a manager's with what leads from it to older roots. lifetime of zero means
// api.DefaultCertLifetime; shorter ones than api.MinCertLifetime are lengthened.
func (a *Authority) SignNode(request []byte, id string, role api.Role, lifetime time.Duration, now time.Time) ([]byte, error) {
	if role != api.RoleManager && role != api.RoleWorker {
		return nil, fmt.Errorf("issue a certificate: %q is not a node's role", role)
	}
	public, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	if lifetime == 0 {
		lifetime = api.DefaultCertLifetime
	}
	certificate, err := a.issue(public, id, string(role), max(lifetime, api.MinCertLifetime), now)
	if role == api.RoleManager {
		certificate = append(certificate, a.bridges...)
	}
	return certificate, err
}

// IssueClient makes a key and a certificate (both PEM) for a user's client. They
// last for a year and let it do everything the API has.
func (a *Authority) IssueClient(name string, now time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client's key: %w", err)
	}
	if key, err = encodeKey(private); err != nil {
		return nil, nil, err
	}
	certificate, err = a.issue(&private.PublicKey, name, RoleClient, clientLifetime, now)
	return certificate, key, err
}

func (a *Authority) issue(public *ecdsa.PublicKey, id, role string, lifetime time.Duration, now time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			CommonName: id, Organization: []string{a.cluster}, OrganizationalUnit: []string{role},
		},
		DNSNames:    []string{id, ServerName(role)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if role == string(api.RoleManager) {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if role == RoleClient {
		template.DNSNames = nil
	} else if a.term > 0 {
		template.Subject.SerialNumber = strconv.Itoa(a.term)
	}
	until := now.Add(lifetime)
	if until.After(a.root.NotAfter) {
		until = a.root.NotAfter
	}
	template.NotBefore, template.NotAfter = span(now, until)
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	return encodeCertificate(der), nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

func digest(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
