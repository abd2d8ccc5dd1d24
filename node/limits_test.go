package node

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orc-project/orc/limit"
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
		var open []net.Conn
		// Who is let in hears something, be it that nothing is found.
		refused := func() bool {
			secure := shown.Client()
			secure.NextProtos = []string{"http/1.1"}
			connection, err := (&tls.Dialer{Config: secure}).DialContext(t.Context(), "tcp", port)
			if err != nil {
				return true
			}
			open = append(open, connection)
			_, err = connection.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			if err == nil {
				_, err = connection.Read(make([]byte, 1))
			}
			return err != nil
		}
		require.False(t, refused())
		require.Eventually(t, refused, patience, time.Millisecond, port)
		require.Less(t, len(open), limit.Default().Connections, "else it was the usual limit")
		for _, each := range open {
			each.Close()
		}
	}
}
