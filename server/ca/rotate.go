package ca

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/orc-project/orc/api"
)

// Rotate begins to replace the cluster's root by the next one; see api.CARotation. It
// changes cluster, which must be the caller's own copy.
func Rotate(cluster *api.Cluster, next *Authority) error {
	if cluster.CA.Phase != api.CASettled {
		return api.Conflictf("the CA is being rotated already: `orc ca show` tells how far it is")
	}
	present, err := Load(cluster)
	if err != nil {
		return err
	}
	if next.key.PublicKey.Equal(&present.key.PublicKey) {
		return api.Conflictf("this is the key of the CA that the cluster has: a rotation is to another one")
	}
	bridge, err := present.bridge(next.root)
	if err != nil {
		return err
	}
	key, err := next.Key()
	if err != nil {
		return err
	}
	cluster.Roots = slices.Concat(cluster.Roots, next.roots)
	cluster.CA = api.CARotation{
		Phase: api.CATrust, Issuer: present.Digest(), Key: key, Bridges: slices.Concat(bridge, cluster.CA.Bridges),
	}
	return nil
}

// bridge certifies a newer root by this one (RFC 4210, section 4.4: "new with old").
func (a *Authority) bridge(root *x509.Certificate) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: root.RawSubject, SubjectKeyId: root.SubjectKeyId,
		NotBefore: a.root.NotBefore, NotAfter: a.root.NotAfter,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	if root.NotAfter.Before(template.NotAfter) {
		template.NotAfter = root.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, root.PublicKey.(*ecdsa.PublicKey), a.key)
	if err != nil {
		return nil, fmt.Errorf("certify the new root by the old one: %w", err)
	}
	return encodeCertificate(der), nil
}

// Advance begins a rotation's next phase, for every node has done what the present one
// asks. It changes cluster, which must be the caller's own copy.
func Advance(cluster *api.Cluster) error {
	switch cluster.CA.Phase {
	case api.CATrust:
		cluster.CAKey, cluster.CA.Key, cluster.CA.Phase = cluster.CA.Key, nil, api.CARenew
		authority, err := Load(cluster)
		if err != nil {
			return err
		}
		cluster.CA.Issuer = authority.Digest()
	case api.CARenew:
		authority, err := Load(cluster)
		if err != nil {
			return err
		}
		cluster.Roots, cluster.CA.Phase = encodeCertificate(authority.root.Raw), api.CADrop
	case api.CADrop:
		cluster.CA.Phase = api.CASettled
	}
	return nil
}
