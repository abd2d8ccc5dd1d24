package etcd_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/etcd"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

func TestAStoreThatCannotFollowSaysForHowLong(t *testing.T) {
	b, s := start(t)
	require.Zero(t, s.Behind())
	key := b.prefix + "object/service/s1"
	_, err := b.member.Client().Put(patient(t), key, "no sealed value")
	require.NoError(t, err)
	begun := time.Now()
	require.Eventually(t, func() bool { return s.Behind() > 0 }, time.Minute, time.Millisecond)
	for time.Since(begun) < time.Second { // over several tries
		require.Positive(t, s.Behind())
		time.Sleep(10 * time.Millisecond)
	}
	require.Greater(t, s.Behind(), 500*time.Millisecond)
	_, err = b.member.Client().Delete(patient(t), key)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.Behind() == 0 }, time.Minute, time.Millisecond)
	snapshot, err := s.WaitFor(patient(t), commit(t, s, &api.Service{Meta: api.Meta{ID: "s2"}, Name: "web"}))
	require.NoError(t, err)
	require.NotNil(t, store.Get[api.Service](snapshot, "s2"))
}

// electing is a database that elects a leader at the first read.
type electing struct {
	clientv3.KV
	told bool
}

func (e *electing) Get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if !e.told {
		e.told = true
		return nil, rpctypes.ErrLeaderChanged
	}
	return e.KV.Get(ctx, key, options...)
}

func TestAStoreOpensThroughAnElection(t *testing.T) {
	b := backend{member: membertest.Start(t, membertest.Config(t)), ring: seal.NewRing(), prefix: etcd.DefaultPrefix}
	client := *b.member.Client()
	client.KV = &electing{KV: client.KV}
	config := b.config(t)
	config.Client = &client
	open(t, config)
}
