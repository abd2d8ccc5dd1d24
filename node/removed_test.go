package node

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
)

// bystanders are managers of the node m1's cluster that only say what they think of it.
type bystanders struct {
	t         *testing.T
	authority *ca.Authority
}

// issue makes a manager's certificate with its key.
func (b bystanders) issue(id string) (certificate, key []byte) {
	b.t.Helper()
	request, key, err := ca.NewRequest()
	require.NoError(b.t, err)
	certificate, err = b.authority.SignNode(request, id, api.RoleManager, 0, time.Now())
	require.NoError(b.t, err)
	return certificate, key
}

func (b bystanders) credentials(id string) *ca.Credentials {
	b.t.Helper()
	certificate, key := b.issue(id)
	credentials, err := ca.NewCredentials(certificate, key, b.authority.Roots())
	require.NoError(b.t, err)
	return credentials
}

// at answers at an address of its own.
func (b bystanders) at(handler http.HandlerFunc) string {
	server := httptest.NewUnstartedServer(handler)
	server.TLS = b.credentials("m2").Server()
	server.StartTLS()
	b.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// serving answers this node as one of the cluster.
func serving(connected bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/alive" {
			_ = json.NewEncoder(w).Encode(map[string]any{"node": "m3", "connected": connected})
			return
		}
		_, _ = io.WriteString(w, `{"peers":{"m3":"https://m3"}}`)
	}
}

func forced(w http.ResponseWriter, _ *http.Request) { session.Refuse(w, session.Removed()) }

// wrong is forced, and knows that the others were not lost.
func wrong(w http.ResponseWriter, _ *http.Request) { session.Refuse(w, session.Split()) }

// demoting calls the node a worker.
func demoting(w http.ResponseWriter, _ *http.Request) { session.Refuse(w, session.Demoted()) }

func starting(w http.ResponseWriter, _ *http.Request) {
	session.Refuse(w, api.Errorf(api.CodeUnavailable, "this manager is starting"))
}

// asking is the node m1, which asks others.
func (b bystanders) asking(others ...string) *process {
	return &process{
		credentials: b.credentials("m1"), dir: &directory{path: b.t.TempDir()}, identity: &identity{Managers: others}, log: zap.NewNop(),
	}
}

func TestOneThatKnowsThatItWasForcedWronglyAccusesNobody(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	n := b.asking(b.at(wrong), b.at(starting))
	require.False(t, n.removed(t.Context()))
	n = b.asking(b.at(wrong), b.at(serving(true)))
	var answer api.MemberAnswer
	require.NoError(t, n.ask(t.Context(), n.others(), "/v1/members", api.MemberRequest{}, &answer), "another is asked")
	require.NotEmpty(t, answer.Peers)
}

func TestOthersHearHowLongAManagerHasHadNoQuorum(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	heard := make(chan string, 1)
	n := b.asking(b.at(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.URL.Query().Get("apart")
		starting(w, r)
	}))
	require.False(t, n.removed(t.Context()))
	require.Empty(t, <-heard, "it does not know")
	n.quorate = time.Now().Add(-time.Hour)
	n.markQuorum(ended)
	n.quorate = time.Time{} // another process
	require.False(t, n.removed(t.Context()))
	apart, err := time.ParseDuration(<-heard)
	require.NoError(t, err)
	require.InDelta(t, time.Hour.Minutes(), apart.Minutes(), 5)

	n.quorate = time.Now().Add(-markError)
	n.markQuorum("") // and it crashed
	n.quorate = time.Time{}
	require.Less(t, n.apart(), time.Minute, "it may have had one until a moment ago")
	n.quorate = time.Now().Add(-time.Hour)
	n.markQuorum("")
	n.quorate = time.Time{}
	require.InDelta(t, time.Hour.Seconds()-markError.Seconds(), n.apart().Seconds(), 60)
}

func TestOneThatWasForcedRemovesNobodyFromAClusterThatServes(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	forced, starting, serves, alone := b.at(forced), b.at(starting), b.at(serving(true)), b.at(serving(false))
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	down := nobody.Addr().String()
	for name, c := range map[string]struct {
		others  []string
		removed bool
	}{
		"nobody says so":                     {[]string{down, starting, alone}, false},
		"all say so":                         {[]string{forced, forced}, true},
		"the others are away":                {[]string{down, forced, down}, true},
		"the others are none any more":       {[]string{starting, forced, starting}, true},
		"another has lost its quorum":        {[]string{forced, alone}, true},
		"another serves":                     {[]string{forced, down, serves}, false},
		"another serves, and is asked first": {[]string{serves, forced}, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := b.asking(c.others...)
			require.Equal(t, c.removed, n.removed(t.Context()))
			var answer api.MemberAnswer
			err := n.ask(t.Context(), n.others(), "/v1/members", api.MemberRequest{}, &answer)
			if c.removed {
				require.ErrorContains(t, err, "removed from the cluster")
				return
			}
			require.NoError(t, err)
			require.Equal(t, "https://m3", answer.Peers["m3"], "the others answer it")
		})
	}
}

func TestWhatTheOthersThinkOfAManager(t *testing.T) {
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	forced, starting, well, calls, wrong := b.at(forced), b.at(starting), b.at(serving(true)), b.at(demoting), b.at(wrong)
	for name, c := range map[string]struct {
		others []string
		want   opinion
	}{
		"it is a worker":                    {[]string{starting, calls}, demotes},
		"it is a worker, or was removed":    {[]string{calls, forced}, accuses},
		"another serves it":                 {[]string{calls, well}, serves},
		"one that is another cluster since": {[]string{wrong, starting}, silent},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, b.asking(c.others...).opinion(t.Context()))
		})
	}
}
