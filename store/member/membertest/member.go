// Package membertest starts members of the database for tests, with certificates
// of their own. It is never part of the program.
package membertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/store/member"
)

// ServerName is the name that the certificates have.
const ServerName = "manager.test"

// Config is that of a member that is alone in its cluster, on a free port. It
// logs nothing: etcd may have something to say after the test's end.
func Config(t testing.TB) member.Config {
	t.Helper()
	address := FreeAddress(t)
	return member.Config{
		Dir: t.TempDir(), Name: "node1", Cluster: "cluster1", Listen: address, Advertise: address,
		TLS: Certificates(t), Logger: zap.NewNop(),
	}
}

// Start starts a member and stops it at the test's end.
func Start(t testing.TB, config member.Config) *member.Member {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := member.Start(ctx, config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Stop()) })
	return m
}

// FreeAddress is one that nothing listens on, nor will: its host is a loopback
// address that nobody else chooses, so the port is not taken meanwhile. The port is none
// that the kernel gives to whoever connects, for some listen on it at all addresses.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var random [5]byte
	rand.Read(random[:])
	port := 20_000 + int(binary.BigEndian.Uint16(random[3:]))%10_000
	address := fmt.Sprintf("127.%d.%d.%d:%d", 1+random[0]%254, random[1], 1+random[2]%254, port)
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	defer listener.Close()
	return address
}

// Certificates makes a root and a manager's certificate of it.
func Certificates(t testing.TB) member.TLS {
	t.Helper()
	dir := t.TempDir()
	rootKey, rootDER := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	root, err := x509.ParseCertificate(rootDER)
	require.NoError(t, err)
	key, der := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node1"}, DNSNames: []string{ServerName},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write := func(name, block string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600))
		return path
	}
	files := member.TLS{
		CertFile: write("cert.pem", "CERTIFICATE", der), KeyFile: write("key.pem", "PRIVATE KEY", keyDER),
		RootsFile: write("roots.pem", "CERTIFICATE", rootDER), ServerName: ServerName,
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	files.Inbound = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
		return &pair, err
	}}
	files.Verify = func(state tls.ConnectionState) error {
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: pool, DNSName: ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return err
	}
	return files
}

// issue signs with parent's key, or with the new one when there is no parent.
func issue(t testing.TB, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	require.NoError(t, err)
	return key, der
}

// Join adds a member named name to another's cluster, as a learner, and starts it.
func Join(t testing.TB, by *member.Member, config member.Config, name string) (*member.Member, member.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config.Dir, config.Name, config.Listen = t.TempDir(), name, FreeAddress(t)
	config.Advertise = config.Listen
	added, err := by.AddLearner(ctx, config.Advertise)
	require.NoError(t, err)
	config.Peers = map[string]string{name: config.Advertise}
	for _, each := range by.Known() {
		if each.ID != added.ID {
			config.Peers[each.Name] = each.Address
		}
	}
	return Start(t, config), config
}
