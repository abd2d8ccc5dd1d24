package member_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
)

// neighbour is another manager, whose certificate says node1.
type neighbour struct {
	*testing.T
	address string
	dialer  *tls.Dialer
}

func newNeighbour(t *testing.T, config member.Config) *neighbour {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
	require.NoError(t, err)
	return &neighbour{t, config.Listen, &tls.Dialer{Config: &tls.Config{
		Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, // who answers is not what is tested
	}}}
}

// ask returns the status of an answer on a connection of its own.
func (n *neighbour) ask(method string) int {
	n.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: n.dialer.Config, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(n.Context(), method, "https://"+n.address+"/members", strings.NewReader(""))
	require.NoError(n, err)
	response, err := client.Do(request)
	require.NoError(n, err)
	require.NoError(n, response.Body.Close())
	return response.StatusCode
}

// send is a request as etcd makes it, of a member of that ID.
func (n *neighbour) send(method, path, from string) int {
	n.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: n.dialer.Config, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(n.Context(), method, "https://"+n.address+path, http.NoBody)
	require.NoError(n, err)
	request.Header.Set("X-Server-From", from)
	response, err := client.Do(request)
	require.NoError(n, err)
	require.NoError(n, response.Body.Close())
	return response.StatusCode
}

// stay opens a connection that is used once, and returns a channel that is closed
// when it has ended.
func (n *neighbour) stay() <-chan struct{} {
	n.Helper()
	connection, err := n.dialer.DialContext(n.Context(), "tcp", n.address)
	require.NoError(n, err)
	n.Cleanup(func() { connection.Close() })
	_, err = connection.Write([]byte("GET /members HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(n, err)
	_, err = connection.Read(make([]byte, 1<<10))
	require.NoError(n, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for err == nil {
			// Something to read now and then, or the port takes the other end for dead.
			_, err = connection.Write([]byte("GET /members HTTP/1.1\r\nHost: x\r\n\r\n"))
			if err == nil {
				_, err = connection.Read(make([]byte, 1<<10))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return ended
}

func TestARemovedManagerIsPutOutAndKeptOut(t *testing.T) {
	var removed atomic.Bool
	config := membertest.Config(t)
	config.Name = "node7"
	config.TLS.Removed = func(c *x509.Certificate) bool { return c.Subject.CommonName == "node1" && removed.Load() }
	m := membertest.Start(t, config)
	other := newNeighbour(t, config)
	require.Equal(t, http.StatusOK, other.ask(http.MethodGet))
	ended := other.stay()
	m.Recheck()
	require.Equal(t, http.StatusOK, other.ask(http.MethodGet), "nothing has changed")

	removed.Store(true)
	m.Recheck()
	<-ended
	// Not 410 or 403: the database has not known a member of that name, which would take
	// such an answer for its end.
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		require.Equal(t, http.StatusServiceUnavailable, other.ask(method))
	}
}

func TestAManagerIsHeardUntilItsMemberIsGone(t *testing.T) {
	config := membertest.Config(t) // the member is node1 itself
	config.TLS.Removed = func(*x509.Certificate) bool { return true }
	membertest.Start(t, config)
	require.Equal(t, http.StatusOK, newNeighbour(t, config).ask(http.MethodGet))
}

func TestWhoIsNotTrustedAnyMoreIsPutOut(t *testing.T) {
	var distrusted atomic.Bool
	config := membertest.Config(t)
	verify := config.TLS.Verify
	config.TLS.Verify = func(state tls.ConnectionState) error {
		if distrusted.Load() {
			return http.ErrAbortHandler // any
		}
		return verify(state)
	}
	m := membertest.Start(t, config)
	other := newNeighbour(t, config)
	ended := other.stay()
	distrusted.Store(true)
	m.Recheck()
	<-ended
}

func TestOnlyWhoseRemovalWasAgreedOnIsEnded(t *testing.T) {
	var agreed atomic.Bool
	config := membertest.Config(t)
	config.TLS.Agreed = func(*x509.Certificate) bool { return agreed.Load() }
	m := membertest.Start(t, config)
	other := newNeighbour(t, config)
	learner, err := m.AddLearner(t.Context(), membertest.FreeAddress(t))
	require.NoError(t, err)
	require.NoError(t, m.Remove(t.Context(), learner.ID))
	from := fmt.Sprintf("%x", learner.ID)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		require.Equal(t, http.StatusServiceUnavailable, other.send(method, "/raft/stream/message/"+from, from))
	}
	agreed.Store(true)
	require.Equal(t, http.StatusGone, other.send(http.MethodGet, "/raft/stream/message/"+from, from))
	require.Equal(t, http.StatusForbidden, other.send(http.MethodPost, "/raft", from))
}

// A host may have got an address that was another manager's, at which the others look for
// that one still. Who sends there takes 403 or 410 for its own removal, and gives its
// database up.
func TestWhatIsMeantForAnotherMemberEndsNobody(t *testing.T) {
	config := membertest.Config(t)
	var status atomic.Int64
	_, err := member.Serve(t, config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		w.(http.Flusher).Flush()
	}))
	require.NoError(t, err)
	other := newNeighbour(t, config)
	for answered, heard := range map[int]int{
		http.StatusForbidden: http.StatusServiceUnavailable, http.StatusGone: http.StatusServiceUnavailable,
		http.StatusOK: http.StatusOK, http.StatusPreconditionFailed: http.StatusPreconditionFailed,
	} {
		status.Store(int64(answered))
		require.Equal(t, heard, other.send(http.MethodGet, "/raft/stream/message/7", "7"))
		require.Equal(t, heard, other.send(http.MethodPost, "/raft/snapshot", "7"))
	}
}

// A leader that was removed waits until its last words are written, which they never are
// to a manager that takes nothing.
func TestWhatIsWrittenToADeafManagerEndsAtOnce(t *testing.T) {
	config := membertest.Config(t)
	writing, failed := make(chan struct{}), make(chan error, 1)
	cut, err := member.Serve(t, config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 1<<10))
		close(writing)
		for err == nil {
			_, err = w.Write(make([]byte, 1<<20))
		}
		failed <- err
	}))
	require.NoError(t, err)
	other := newNeighbour(t, config)
	deaf, err := other.dialer.DialContext(t.Context(), "tcp", other.address)
	require.NoError(t, err)
	defer deaf.Close()
	_, err = deaf.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	<-writing
	cut()
	require.NotErrorIs(t, <-failed, os.ErrDeadlineExceeded, "it waited")
}

// What a manager hears that was put out, it might answer with what it knew.
func TestAMemberThatWasRemovedHearsNobody(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	second, joined := membertest.Join(t, first, config, "node2")
	ended := newNeighbour(t, joined).stay()
	require.NoError(t, first.Remove(t.Context(), second.Self()))
	<-second.Done()
	<-ended // before it is stopped
	require.ErrorIs(t, second.Err(), store.ErrRemoved)
}
