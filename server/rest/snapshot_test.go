package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

// shelf keeps snapshots that are only words.
type shelf struct {
	kept []api.SnapshotView
	text string
	lie  bool // about the checksum
}

func (s *shelf) List() ([]api.SnapshotView, error) { return s.kept, nil }

func (s *shelf) Keep(context.Context) (api.SnapshotView, error) {
	made := api.SnapshotView{Name: "one", Created: time.Unix(1e9, 0).UTC(), Length: int64(len(s.text))}
	s.kept = append(s.kept, made)
	return made, nil
}

func (s *shelf) Make(context.Context) (SnapshotFile, error) {
	file := &words{Reader: bytes.NewReader([]byte(s.text)), sum: sha256.Sum256([]byte(s.text))}
	if s.lie {
		file.sum[0]++
	}
	return file, nil
}

type words struct {
	*bytes.Reader
	sum [sha256.Size]byte
}

func (w *words) Close() error  { return nil }
func (w *words) Name() string  { return "one.orcsnap" }
func (w *words) Length() int64 { return w.Size() }
func (w *words) Sum() []byte   { return w.sum[:] }

func TestSnapshotsAreListedKeptAndSent(t *testing.T) {
	m := newManager(t)
	m.shelf.text = "a sealed database"
	found, err := m.client.Snapshots(m.ctx)
	require.NoError(t, err)
	require.Empty(t, found)
	made, err := m.client.KeepSnapshot(m.ctx)
	require.NoError(t, err)
	found, err = m.client.Snapshots(m.ctx)
	require.NoError(t, err)
	require.Equal(t, []api.SnapshotView{made}, found)

	var out bytes.Buffer
	sum, err := m.client.SaveSnapshot(m.ctx, &out)
	require.NoError(t, err)
	require.Equal(t, m.shelf.text, out.String())
	want := sha256.Sum256(out.Bytes())
	require.Equal(t, want[:], sum)
	m.shelf.lie = true
	_, err = m.client.SaveSnapshot(m.ctx, io.Discard)
	require.ErrorContains(t, err, "came damaged")
}

func TestSettingsOfSnapshots(t *testing.T) {
	m := newManager(t)
	_, err := m.client.UpdateCluster(m.ctx, api.Settings{SnapshotInterval: api.Duration(time.Second)})
	require.ErrorContains(t, err, "snapshot interval 1s: the least is 1m")
	_, err = m.client.UpdateCluster(m.ctx, api.Settings{SnapshotKeep: -1})
	require.ErrorContains(t, err, "the least is 1")
	view, err := m.client.UpdateCluster(m.ctx, api.Settings{SnapshotInterval: api.Duration(time.Hour), SnapshotKeep: 9})
	require.NoError(t, err)
	require.Equal(t, 9, view.Settings.SnapshotKeep)
}
