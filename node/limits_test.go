package node

import (
	"crypto/tls"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/server/ca"
)

func TestLimitsHoldForBothPorts(t *testing.T) {
	config := managerConfig(t.TempDir(), freePort(t))
	config.Limits = limit.Default()
	require.NoError(t, config.Limits.Set("connections", "16"))
	core, logged := observer.New(zap.InfoLevel)
	m := &voter{running: startLogging(t, config, zap.New(core)), config: config}
	m.waitReady(config.DataDir)
	said := logged.FilterMessage("limits are not the usual ones").All()
	require.Len(t, said, 1)
	require.Equal(t, map[string]any{"limits": []any{"connections=16"}}, said[0].ContextMap())
	shown, err := (&directory{path: config.DataDir}).credentials(nil)
	require.NoError(t, err)
	for _, port := range []string{config.Listen, m.peerPort(t)} {
		require.Zero(t, refusedOf(t, 1, port, shown))
		require.Positive(t, refusedOf(t, limit.Default().Connections/2, port, shown), port)
	}
}

// refusedOf opens connections, all at once, and returns how many were not let in. Who
// is let in hears something, be it that nothing is found.
func refusedOf(t *testing.T, connections int, port string, shown *ca.Credentials) int {
	t.Helper()
	config := shown.Client()
	config.NextProtos = []string{"http/1.1"}
	var refused atomic.Int32
	var asking sync.WaitGroup
	for range connections {
		asking.Go(func() {
			connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", port)
			if err == nil {
				t.Cleanup(func() { connection.Close() })
				if _, err = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
					_, err = connection.Read(make([]byte, 1))
				}
			}
			if err != nil {
				refused.Add(1)
			}
		})
	}
	asking.Wait()
	return int(refused.Load())
}
