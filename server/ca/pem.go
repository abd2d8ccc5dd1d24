package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/orc-project/orc/api"
)

// maxPEM bounds what is decoded of another's keys and certificates, in bytes.
const maxPEM = 64 << 10

// NewRequest makes a private key and a certificate request for it (both PEM).
// The request says nothing else: the authority decides the rest.
func NewRequest() (request, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if key, err = encodeKey(private); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), key, nil
}

// NodeID is the ID of the node that joins by a certificate request (PEM): the same for
// the same key, so that who asks again becomes no second node.
func NodeID(request []byte) (string, error) {
	public, err := parseRequest(request)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("read the certificate request: %w", err)
	}
	sum := sha256.Sum256(der)
	return api.IDOf([16]byte(sum[:])), nil
}

// CheckRoots finds, among the CA certificates (PEM) that a stranger sent, the one
// that a token's digest pins, and returns it alone (PEM).
func CheckRoots(roots []byte, pinned string) ([]byte, error) {
	certificates, err := parseCertificates(roots)
	if err != nil {
		return nil, api.Invalidf("the manager's CA certificate cannot be read: %w", err)
	}
	for _, each := range certificates {
		if digest(each) == pinned {
			return encodeCertificate(each.Raw), nil
		}
	}
	return nil, api.Errorf(api.CodeUnauthorized,
		"the manager's CA is not the one of the token: the address or the token is of another cluster, or the CA was rotated since: `orc token worker` or `orc token manager` on a manager prints one that is in force")
}

// parseRequest returns the public key of a request whose signature proves that
// the sender has the private one. Nothing else of it is looked at.
func parseRequest(data []byte) (*ecdsa.PublicKey, error) {
	if len(data) > maxPEM {
		return nil, api.Invalidf("the certificate request is too long")
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, api.Invalidf("this is not a certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, api.Invalidf("read the certificate request: %w", err)
	}
	public, ok := request.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, api.Invalidf("the certificate request's key must be ECDSA P-256")
	}
	if err := request.CheckSignature(); err != nil {
		return nil, api.Invalidf("check the certificate request: %w", err)
	}
	return public, nil
}

// parseCertificates reads one or more certificates and nothing else.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxPEM {
		return nil, errors.New("too long")
	}
	var found []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a %s is not a certificate", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("no certificate")
	}
	return found, nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return private, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
