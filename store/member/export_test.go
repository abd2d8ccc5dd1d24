package member

import (
	"context"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
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
