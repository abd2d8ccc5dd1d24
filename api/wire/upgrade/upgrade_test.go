package upgrade

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// listen serves requests for their connections. Each is told back what it says, once.
func listen(t *testing.T, errs chan<- error) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r)
		if errs <- err; err != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		go func() {
			defer conn.Close()
			said := make([]byte, 5)
			io.ReadFull(conn, said)
			conn.Write(said)
		}()
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func dial(t *testing.T, address string) (net.Conn, *http.Request) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	request, err := http.NewRequest(http.MethodPost, "http://"+address+"/", nil)
	require.NoError(t, err)
	return conn, request
}

func TestAConnectionIsGiven(t *testing.T) {
	errs := make(chan error, 1)
	conn, request := dial(t, listen(t, errs))
	reader, response, err := Ask(conn, request)
	require.NoError(t, err)
	require.NoError(t, <-errs)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	_, err = io.WriteString(conn, "hello")
	require.NoError(t, err)
	answer, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, "hello", string(answer))
}

func TestWhoDoesNotAskIsAnsweredAsEver(t *testing.T) {
	errs := make(chan error, 1)
	_, request := dial(t, listen(t, errs))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusTeapot, response.StatusCode)
	require.Equal(t, api.CodeInvalid, api.CodeOf(<-errs))
}

func TestWhoDoesNotWaitIsCutOff(t *testing.T) {
	errs := make(chan error, 1)
	conn, _ := dial(t, listen(t, errs))
	_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\nhello")
	require.NoError(t, err)
	require.ErrorContains(t, <-errs, "does not wait")
	said, err := io.ReadAll(conn)
	require.Empty(t, said)
	if err != nil {
		require.ErrorContains(t, err, "reset", "what it said was not read")
	}
}
