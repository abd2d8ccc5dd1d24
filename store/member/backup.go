package member

import (
	"fmt"
	"io"
)

// Backup writes the whole database as it is at one moment, in the form that
// Restore takes, while the member goes on serving. Values are in it as they are
// stored.
func (m *Member) Backup(out io.Writer) (int64, error) {
	snapshot := m.etcd.Server.Backend().Snapshot()
	size, err := snapshot.WriteTo(out)
	if closed := snapshot.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return size, fmt.Errorf("copy the database: %w", err)
	}
	return size, nil
}

// Size is how many bytes Backup writes, about.
func (m *Member) Size() int64 { return m.etcd.Server.Backend().Size() }
