package member_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/orc-project/orc/store/member/membertest"
)

// A write that is forwarded to a member while nobody leads waits for a leader. Its
// sender must not: it may have no other way to say whom it votes for.
func TestAForwardedWriteDoesNotHoldUpItsSenderWithoutALeader(t *testing.T) {
	config := membertest.Config(t)
	first := membertest.Start(t, config)
	second, _ := membertest.Join(t, first, config, "node2")
	promote(t, first, second.Self())
	members, err := first.Client().MemberList(patient(t))
	require.NoError(t, err)
	require.NoError(t, second.Stop())
	require.Eventually(t, func() bool { return first.Leader() == 0 }, time.Minute, 10*time.Millisecond)

	pair, err := tls.LoadX509KeyPair(config.TLS.CertFile, config.TLS.KeyFile)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, // who answers is not what is tested
	}}}
	post := func(message *raftpb.Message) int {
		message.From, message.To = proto.Uint64(second.Self()), proto.Uint64(first.Self())
		body, err := proto.Marshal(message)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+config.Listen+"/raft", bytes.NewReader(body))
		require.NoError(t, err)
		for name, value := range map[string]string{
			"X-Server-From": fmt.Sprintf("%x", second.Self()), "X-Etcd-Cluster-ID": fmt.Sprintf("%x", members.Header.ClusterId),
			"X-Server-Version": version.Version, "X-Min-Cluster-Version": version.MinClusterVersion,
		} {
			request.Header.Set(name, value)
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	write := &raftpb.Message{Type: raftpb.MsgProp.Enum(), Entries: []*raftpb.Entry{{Data: []byte("x")}}}
	require.Equal(t, http.StatusServiceUnavailable, post(write))
	require.Equal(t, http.StatusNoContent, post(&raftpb.Message{Type: raftpb.MsgHeartbeatResp.Enum(), Term: proto.Uint64(1)}))
}
