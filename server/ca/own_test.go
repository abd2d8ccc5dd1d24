package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// ownRoot makes what an operator might bring.
func ownRoot(t testing.TB, key crypto.Signer, change func(*x509.Certificate)) (certificate, private []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Example CA"},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return encodeCertificate(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func ecdsaKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func TestAnOperatorsOwnRootIssues(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := ecdsaKey(t, curve)
		certificate, private := ownRoot(t, key, nil)
		sec1, err := x509.MarshalECPrivateKey(key)
		require.NoError(t, err)
		old := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})
		parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}})
		for _, form := range [][]byte{private, old, append(parameters, old...)} {
			next, err := Own("cluster1", certificate, form, time.Now())
			require.NoError(t, err, curve.Params().Name)

			cluster := foundCluster(t)
			require.NoError(t, Rotate(cluster, next))
			require.NoError(t, Advance(cluster))
			a := load(t, cluster)
			_, _, serverErr, clientErr := meet(t, node(t, a, "m1", api.RoleManager).Server(), node(t, a, "w1", api.RoleWorker).Client())
			require.NoError(t, serverErr)
			require.NoError(t, clientErr)
		}
	}
}

func TestAnOperatorsRootThatCouldNotBeOne(t *testing.T) {
	key := ecdsaKey(t, elliptic.P256())
	good, private := ownRoot(t, key, nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ofRSA, rsaPrivate := ownRoot(t, rsaKey, nil)
	ofP224, p224Private := ownRoot(t, ecdsaKey(t, elliptic.P224()), nil)
	changed := func(change func(*x509.Certificate)) []byte {
		certificate, _ := ownRoot(t, key, change)
		return certificate
	}
	pemOf := func(kind string, headers map[string]string, data []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: data})
	}
	for name, c := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"no certificate":       {nil, private, "cannot be read"},
		"no key":               {good, nil, "not PEM"},
		"noise":                {[]byte("hello"), private, "cannot be read"},
		"noise in PEM":         {pemOf("CERTIFICATE", nil, []byte("hello")), private, "cannot be read"},
		"noise in a key":       {good, pemOf("PRIVATE KEY", nil, []byte("hello")), "cannot be read"},
		"swapped":              {private, good, "is not a certificate"},
		"a certificate as key": {good, good, "is no private key"},
		"two certificates":     {append(good, good...), private, "there are 2"},
		"another's key":        {good, func() []byte { _, k := ownRoot(t, ecdsaKey(t, elliptic.P256()), nil); return k }(), "does not belong"},
		"RSA":                  {ofRSA, rsaPrivate, "must be ECDSA"},
		"RSA of old":           {ofRSA, pemOf("RSA PRIVATE KEY", nil, x509.MarshalPKCS1PrivateKey(rsaKey)), "must be ECDSA"},
		"a weak curve":         {ofP224, p224Private, "must be ECDSA"},
		"an encrypted key":     {good, pemOf("ENCRYPTED PRIVATE KEY", nil, []byte("x")), "decrypt it first"},
		"encrypted as of old":  {good, pemOf("EC PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, []byte("x")), "decrypt it first"},
		"a long key":           {good, make([]byte, maxPEM+1), "too long"},
		"a long certificate":   {make([]byte, maxPEM+1), private, "too long"},
		"no CA":                {changed(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }), private, "not one of a CA"},
		"no signing":           {changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), private, "keyCertSign"},
		"a path of none":       {changed(func(c *x509.Certificate) { c.MaxPathLenZero = true }), private, "pathlen:0"},
		"no subject":           {changed(func(c *x509.Certificate) { c.Subject = pkix.Name{} }), private, "no subject"},
		"expired":              {changed(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = noon.AddDate(-9, 0, 0), noon.AddDate(-8, 0, 0) }), private, "valid from"},
		"soon expired":         {changed(func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 1, 0) }), private, "valid from"},
		"to come":              {changed(func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 0, 1) }), private, "valid from"},
		"for other names": {changed(func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
		}), private, "are not valid"},
		"for servers alone": {changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), private, "are not valid"},
		"strange constraints": {changed(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 9999}, Critical: true, Value: []byte{5, 0}}}
		}), private, "critical extension"},
	} {
		_, err := Own("cluster1", c.certificate, c.key, time.Now())
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), name)
	}
	addresses := changed(func(c *x509.Certificate) {
		c.PermittedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}
	})
	_, err = Own("cluster1", addresses, private, time.Now())
	require.NoError(t, err, "orc's certificates have no addresses")
}

func FuzzOwn(f *testing.F) {
	certificate, private := ownRoot(f, ecdsaKey(f, elliptic.P256()), nil)
	f.Add(certificate, private)
	f.Add(private, certificate)
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		a, err := Own("cluster1", certificate, key, time.Now())
		if err != nil {
			require.Equal(t, api.CodeInvalid, api.CodeOf(err))
			return
		}
		_, _, err = a.IssueClient("ann", time.Now())
		require.NoError(t, err)
	})
}
