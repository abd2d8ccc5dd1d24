package client

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/orc-project/orc/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves handler on a unix socket over HTTP/2 and returns a client.
func listen(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // ends with Close
	}()
	c, err := New(Options{Host: "unix://" + socket})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		server.Close()
		<-ended
	})
	return c
}

func context1(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func refuse(w http.ResponseWriter, status int, err *api.Error) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(err)
}

func TestWhereNoManagerListensIsSaidInWords(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	for host, words := range map[string]string{
		"unix://" + filepath.Join(dir, "none"): "no orc manager runs here: there is no " + filepath.Join(dir, "none"),
		"unix://" + dead:                       "no orc manager runs here: nothing listens on " + dead,
		"https://" + free.Addr().String():      "no orc manager listens on https://" + free.Addr().String(),
	} {
		c, err := New(Options{Host: host})
		require.NoError(t, err)
		_, err = c.Version(context1(t))
		require.Error(t, err)
		require.Equal(t, api.CodeUnavailable, api.CodeOf(err), err)
		require.Contains(t, err.Error(), words)
		require.NotContains(t, err.Error(), "\n")
		c.Close()
	}
}

func TestASocketOfRootIsSaidInWords(t *testing.T) {
	c := &Client{host: "unix:///run/orc.sock"}
	err := c.explain(&net.OpError{Op: "dial", Err: os.ErrPermission})
	require.Equal(t, api.CodeForbidden, api.CodeOf(err))
	require.Contains(t, err.Error(), "only root may use")
}

func TestAHostThatIsNoneIsRefused(t *testing.T) {
	for _, host := range []string{"tcp://1.2.3.4", "unix://relative", "https://", "https://a/b", "::"} {
		_, err := New(Options{Host: host})
		require.Error(t, err, host)
		require.Contains(t, err.Error(), "unix:///path")
	}
}

func TestOnlyReadingIsTriedAgain(t *testing.T) {
	var reads, writes atomic.Int32
	c := listen(t, func(w http.ResponseWriter, r *http.Request) {
		away := api.Errorf(api.CodeUnavailable, "no leader")
		if r.Method != http.MethodGet {
			writes.Add(1)
			refuse(w, http.StatusServiceUnavailable, away)
			return
		}
		if reads.Add(1) < 3 {
			refuse(w, http.StatusServiceUnavailable, away)
			return
		}
		_, _ = w.Write([]byte(`{"version": "1.2.3"}`))
	})
	answer, err := c.Version(context1(t))
	require.NoError(t, err)
	require.Equal(t, "1.2.3", answer.Version)
	require.Equal(t, int32(3), reads.Load())
	err = c.RemoveService(context1(t), "web")
	require.Equal(t, api.CodeUnavailable, api.CodeOf(err))
	require.Equal(t, int32(1), writes.Load())
}

func TestErrorsAreTheManagers(t *testing.T) {
	c := listen(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/v1/services/a%2Fb%20c", r.URL.EscapedPath())
		refuse(w, http.StatusNotFound, api.NotFoundf("there is no service a/b c"))
	})
	_, err := c.Service(context1(t), "a/b c")
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	require.Equal(t, "there is no service a/b c", err.Error())
}

func TestAnAnswerThatIsNoErrorOfOursIsToldByItsStatus(t *testing.T) {
	c := listen(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	_, err := c.Cluster(context1(t))
	require.Equal(t, api.CodeInternal, api.CodeOf(err))
	require.Contains(t, err.Error(), "502")
}

func TestAStreamEndsWithTheErrorThatTheManagerTells(t *testing.T) {
	c := listen(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"type": "service"}` + "\n" + `{"failure": {"code": "unavailable", "message": "it is over"}}` + "\n"))
	})
	events, failures := 0, 0
	for event, err := range c.Events(context1(t), EventsQuery{}) {
		if err != nil {
			failures++
			require.Equal(t, "it is over", err.Error())
			continue
		}
		events++
		require.Equal(t, "service", event.Type)
	}
	require.Equal(t, 1, events)
	require.Equal(t, 1, failures)
}

func TestLeavingAStreamEndsTheRequest(t *testing.T) {
	gone := make(chan struct{})
	c := listen(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"type": "service"}` + "\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for range c.Events(context1(t), EventsQuery{Follow: true}) {
		break
	}
	select {
	case <-gone:
	case <-context1(t).Done():
		t.Fatal("the request goes on")
	}
}
