package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/orc-project/orc/api"
)

// ownLifetime is for how long an operator's root must be valid at least.
const ownLifetime = api.DefaultCertLifetime

// Own makes an authority of an operator's root, from its certificate and its key (both
// PEM). What could not be one, or not for long, is refused.
func Own(cluster string, certificate, key []byte, now time.Time) (*Authority, error) {
	found, err := parseCertificates(certificate)
	if err != nil {
		return nil, api.Invalidf("the CA's certificate cannot be read: %w", err)
	}
	if len(found) > 1 {
		return nil, api.Invalidf("there are %d CA certificates: want the one that the key belongs to, alone", len(found))
	}
	private, err := parseOwnKey(key)
	if err != nil {
		return nil, err
	}
	root := found[0]
	if !private.PublicKey.Equal(root.PublicKey) {
		return nil, api.Invalidf("the key does not belong to the CA's certificate")
	}
	if err := checkRoot(root, now); err != nil {
		return nil, err
	}
	a := &Authority{cluster: cluster, roots: encodeCertificate(root.Raw), root: root, key: private}
	return a, a.try(now)
}

// parseOwnKey reads a key in any of the forms that common tools write.
func parseOwnKey(data []byte) (*ecdsa.PrivateKey, error) {
	if len(data) > maxPEM {
		return nil, api.Invalidf("the CA's key is too long to be one")
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" { // openssl writes them before the key
		block, _ = pem.Decode(rest)
	}
	if block == nil {
		return nil, api.Invalidf("the CA's key cannot be read: it is not PEM")
	}
	var private any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, api.Invalidf("the CA's key is encrypted: decrypt it first, such as with `openssl pkey`")
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		return nil, notECDSA()
	default:
		return nil, api.Invalidf("the CA's key cannot be read: a %s is no private key", block.Type)
	}
	if err != nil {
		return nil, api.Invalidf("the CA's key cannot be read: %w", err)
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
		return nil, notECDSA()
	}
	return key, nil
}

func notECDSA() error { return api.Invalidf("the CA's key must be ECDSA, of P-256, P-384 or P-521") }

// checkRoot says why a certificate cannot be a cluster's root.
func checkRoot(root *x509.Certificate, now time.Time) error {
	switch {
	case !root.BasicConstraintsValid || !root.IsCA:
		return api.Invalidf("the certificate is not one of a CA (basicConstraints: CA:TRUE)")
	case root.KeyUsage != 0 && root.KeyUsage&x509.KeyUsageCertSign == 0:
		return api.Invalidf("the CA's certificate does not let it issue any (keyUsage: keyCertSign)")
	case root.MaxPathLen > 0 || root.MaxPathLenZero:
		return api.Invalidf("the CA's certificate limits how many may be below another (basicConstraints: pathlen:%d): each rotation certifies the next root by the one before", root.MaxPathLen)
	case len(root.UnhandledCriticalExtensions) > 0:
		return api.Invalidf("the CA's certificate has a critical extension that orc does not know: %s", root.UnhandledCriticalExtensions[0])
	case len(root.RawSubject) <= 2: // an empty sequence
		return api.Invalidf("the CA's certificate has no subject")
	case now.Before(root.NotBefore) || now.Add(ownLifetime).After(root.NotAfter):
		return api.Invalidf("the CA's certificate is valid from %s to %s: it must be now, and for %d days at least",
			root.NotBefore.UTC().Format(time.RFC3339), root.NotAfter.UTC().Format(time.RFC3339), int(ownLifetime.Hours()/24))
	}
	return nil
}

// try issues a certificate and verifies it: a root may have constraints of its own.
func (a *Authority) try(now time.Time) error {
	issued, err := a.issue(&a.key.PublicKey, "try", RoleManager, api.MinCertLifetime, now)
	if err != nil {
		return err
	}
	leaf, err := parseCertificates(issued)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		options := x509.VerifyOptions{Roots: pool, DNSName: ServerName(RoleManager), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := leaf[0].Verify(options); err != nil {
			return api.Invalidf("certificates of nodes that this CA issues are not valid: %w", err)
		}
	}
	return nil
}
