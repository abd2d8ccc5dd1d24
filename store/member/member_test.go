package member_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestResumesFromItsDirectory(t *testing.T) {
	config := membertest.Config(t)
	first, err := member.Start(patient(t), config)
	require.NoError(t, err)
	_, err = first.Client().Put(patient(t), "/a", "kept")
	require.NoError(t, err)
	require.NoError(t, first.Stop())
	require.NoError(t, first.Stop(), "twice")
	<-first.Done()

	began := time.Now()
	second := membertest.Start(t, config)
	t.Logf("ready after %s", time.Since(began))
	got, err := second.Client().Get(patient(t), "/a")
	require.NoError(t, err)
	require.Equal(t, "kept", string(got.Kvs[0].Value))
	leading, _ := second.Leading()
	require.True(t, leading)
	require.NoError(t, second.Yield(), "nobody to yield to")
	require.NotEqual(t, first.Incarnation(), second.Incarnation())
}

func TestRefusesADirectoryThatIsNotItsOwn(t *testing.T) {
	config := membertest.Config(t)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	_, err = member.Start(patient(t), config)
	require.ErrorContains(t, err, "in use by another orc")
	require.NoError(t, m.Stop())

	foreign := config
	foreign.Cluster = "cluster2"
	_, err = member.Start(patient(t), foreign)
	require.ErrorContains(t, err, "belongs to another cluster")
	other := config
	other.Name = "node2"
	_, err = member.Start(patient(t), other)
	require.ErrorContains(t, err, "belongs to another node")

	text, err := json.Marshal(map[string]any{"format": member.Format + 1, "cluster": "cluster1", "name": "node1", "orc": "9.9"})
	require.NoError(t, err)
	path := filepath.Join(config.Dir, "member.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	_, err = member.Start(patient(t), config)
	require.ErrorContains(t, err, "newer orc (9.9)")
	require.NotContains(t, err.Error(), "\n")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = member.Start(patient(t), config)
	require.ErrorContains(t, err, "damaged")
}

// A power cut may leave the file that says whose a directory is without what was in it.
func TestADirectoryThatHasNothingYetIsTakenAnew(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "never written": "\x00\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			config := membertest.Config(t)
			path := filepath.Join(config.Dir, "member.json")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			membertest.Start(t, config)
			written, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(written), "cluster1")
		})
	}
}

func TestSaysThatItsPortIsTaken(t *testing.T) {
	config := membertest.Config(t)
	listener, err := net.Listen("tcp", config.Listen)
	require.NoError(t, err)
	_, err = member.Start(patient(t), config)
	require.ErrorContains(t, err, config.Listen)
	require.ErrorContains(t, err, "is taken by another program")
	require.NoError(t, listener.Close())
	membertest.Start(t, config) // the failed start left nothing behind
}

func TestRefusesBadConfigurations(t *testing.T) {
	for name, change := range map[string]func(*member.Config){
		"no directory":     func(c *member.Config) { c.Dir = "" },
		"no certificate":   func(c *member.Config) { c.TLS.CertFile = "" },
		"no file there":    func(c *member.Config) { c.TLS.CertFile = "/does/not/exist" },
		"no port":          func(c *member.Config) { c.Listen = "127.0.0.1" },
		"a name to listen": func(c *member.Config) { c.Listen = "example.org:1" },
		"another's host":   func(c *member.Config) { c.Listen = "192.0.2.1:6721" },
		"no logger":        func(c *member.Config) { c.Logger = nil },
	} {
		config := membertest.Config(t)
		change(&config)
		_, err := member.Start(patient(t), config)
		require.Error(t, err, name)
	}
}

func TestOnlyManagersReachTheListener(t *testing.T) {
	config := membertest.Config(t)
	m := membertest.Start(t, config)
	require.Empty(t, m.Client().Endpoints())

	dial := func(c *tls.Config) error {
		c.InsecureSkipVerify = true // the listener is to refuse, not this end
		conn, err := tls.Dial("tcp", config.Listen, c)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err = conn.Write([]byte("GET /version HTTP/1.0\r\n\r\n")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1)) // a refused certificate shows only here
		return err
	}
	certificate := func(files member.TLS) []tls.Certificate {
		pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
		require.NoError(t, err)
		return []tls.Certificate{pair}
	}
	require.NoError(t, dial(&tls.Config{Certificates: certificate(config.TLS)}))
	require.Error(t, dial(&tls.Config{}), "no certificate")
	require.Error(t, dial(&tls.Config{Certificates: certificate(membertest.Certificates(t))}), "another cluster's")
	require.Error(t, dial(&tls.Config{Certificates: certificate(config.TLS), MaxVersion: tls.VersionTLS12}), "an old TLS")
}

func TestStartsAndStopsQuietly(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	config := membertest.Config(t)
	config.Logger = zap.New(core)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	_, err = m.Client().Put(patient(t), "/a", "b")
	require.NoError(t, err)
	require.NoError(t, m.Stop())
	for _, entry := range logs.All() {
		require.Less(t, entry.Level, zapcore.ErrorLevel, entry.Message)
	}
}

func TestHistoryDoesNotFillTheDatabase(t *testing.T) {
	config := membertest.Config(t)
	config.Quota = 32 << 20
	m := membertest.Start(t, config)
	patient := patient(t)
	for i := range 200 { // six times the quota
		require.Eventually(t, func() bool {
			_, err := m.Client().Put(patient, "/a", string(make([]byte, 1<<20)))
			return err == nil
		}, time.Minute, 100*time.Millisecond, "write %d", i)
	}
	require.NoError(t, m.Writable())
}

func TestAFullDatabaseRecoversWhenItHasRoom(t *testing.T) {
	config := membertest.Config(t)
	config.Quota = 16 << 20
	m := membertest.Start(t, config)
	key := func(i int) string { return fmt.Sprintf("/%d", i) }
	full := func() error {
		for i := range 1000 {
			if _, err := m.Client().Put(patient(t), key(i), string(make([]byte, 1<<20))); err != nil {
				return err
			}
		}
		return nil
	}
	require.ErrorContains(t, full(), "database space exceeded")
	for i := 0; ; i++ {
		require.Less(t, i, 10, "there is always something more to give up")
		time.Sleep(3 * time.Second) // upkeep has looked at it
		if _, err := m.Client().Put(patient(t), fmt.Sprint("/more", i), string(make([]byte, 1<<20))); err != nil {
			break
		}
	}
	_, err := m.Client().Get(patient(t), key(0))
	require.NoError(t, err, "reading goes on")

	_, err = m.Client().Delete(patient(t), key(0), clientv3.WithRange(key(9)))
	require.NoError(t, err, "removing too")
	require.Eventually(t, func() bool {
		_, err := m.Client().Put(patient(t), "/more", "b")
		return err == nil
	}, time.Minute, 100*time.Millisecond, "it helps itself, without a restart")
}

func TestAMemberThatLostTheOthersGoesOnAlone(t *testing.T) {
	config := membertest.Config(t)
	m, err := member.Start(patient(t), config)
	require.NoError(t, err)
	_, err = m.Client().Put(patient(t), "/a", "kept")
	require.NoError(t, err)
	_, err = m.Client().MemberAdd(patient(t), []string{"https://" + membertest.FreeAddress(t)})
	require.NoError(t, err)
	hopeless, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = m.Client().Put(hopeless, "/c", "perhaps")
	require.Error(t, err, "one of two is no majority")
	require.NoError(t, m.Stop())

	config.ForceNew = true
	for range 2 { // the flag may stay
		again, err := member.Start(patient(t), config)
		require.NoError(t, err)
		got, err := again.Client().Get(patient(t), "/a")
		require.NoError(t, err)
		require.Equal(t, "kept", string(got.Kvs[0].Value))
		_, err = again.Client().Put(patient(t), "/b", "new")
		require.NoError(t, err)
		members, err := again.Client().MemberList(patient(t))
		require.NoError(t, err)
		require.Len(t, members.Members, 1)
		require.NoError(t, again.Stop())
	}
}

func TestOneWhoseOtherMembersDoNotAnswerSaysSo(t *testing.T) {
	config := membertest.Config(t)
	config.Peers = map[string]string{"node1": config.Advertise, "node2": membertest.FreeAddress(t)}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := member.Start(ctx, config)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrConflict)
}
