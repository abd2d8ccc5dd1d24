package member_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// sleeper keeps the connections to a member that does nothing any more.
func sleeper(t *testing.T, config member.Config) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", config.Listen)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Server-Version", version.Version)
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}}))
	}()
	t.Cleanup(func() { server.Close(); <-ended })
}

func TestTheSeatGoesToAMemberThatIsAwake(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	second, asleep := membertest.Join(t, first, config, "node2")
	third, joined := membertest.Join(t, first, config, "node3")
	promote(t, first, second.Self())
	promote(t, first, third.Self())
	require.NoError(t, second.Stop())
	sleeper(t, asleep)
	time.Sleep(time.Second) // the first is connected to it
	// It is connected to it for longer than to the third, which counts for etcd.
	require.NoError(t, third.Stop())
	joined.Peers = nil
	third = membertest.Start(t, joined)

	require.Eventually(t, func() bool {
		return third.Yield() == nil && first.Leader() == first.Self()
	}, time.Minute, 100*time.Millisecond)
	began := time.Now()
	require.NoError(t, first.Yield())
	t.Logf("it took %s", time.Since(began))
	require.Eventually(t, func() bool { return first.Leader() == third.Self() }, time.Minute, 10*time.Millisecond)
}
