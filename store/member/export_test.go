package member

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/zap"

	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/store"
)

// Corrupt raises etcd's alarm for damaged data.
func (m *Member) Corrupt(ctx context.Context) error {
	_, err := m.etcd.Server.Alarm(ctx, &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, Alarm: etcdserverpb.AlarmType_CORRUPT, MemberID: m.Self()})
	return err
}

// CompareOften makes members compare their data more often until the test's end.
func CompareOften(t *testing.T) {
	before := compareEvery
	compareEvery = time.Millisecond
	t.Cleanup(func() { compareEvery = before })
}

// Turns makes turns shorter until the test's end.
func Turns(t *testing.T, length time.Duration) {
	before := turnTime
	turnTime = length
	t.Cleanup(func() { turnTime = before })
}

// Connections is how many others are connected to the member's port.
func (m *Member) Connections() int {
	m.port.mu.Lock()
	defer m.port.mu.Unlock()
	return len(m.port.open)
}

// Serve opens a port that has no member, until the test's end.
func Serve(t *testing.T, config Config, handler http.Handler) (cut func(), err error) {
	p, err := listen(config.Listen, config.TLS)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = p.close() })
	return p.cut, p.serve(handler, nobody{}, limit.NewGate(config.Limits), zap.NewNop())
}

type nobody struct{}

func (nobody) Known() []store.Member { return nil }
func (nobody) left(string) bool      { return false }
