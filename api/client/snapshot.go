package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/orc-project/orc/api"
)

// Snapshots are those that the manager keeps, the oldest first.
func (c *Client) Snapshots(ctx context.Context) ([]api.SnapshotView, error) {
	return get[[]api.SnapshotView](ctx, c, path("snapshots"), nil)
}

// KeepSnapshot makes the manager make a snapshot and keep it.
func (c *Client) KeepSnapshot(ctx context.Context) (api.SnapshotView, error) {
	return exchange[api.SnapshotView](ctx, c, http.MethodPost, path("snapshots"), nil, nil)
}

// SaveSnapshot writes a new snapshot to out and returns its SHA-256, which is what
// the manager says it is. On error out has a part of it at most.
func (c *Client) SaveSnapshot(ctx context.Context, out io.Writer) ([]byte, error) {
	response, err := c.send(ctx, http.MethodGet, path("snapshot"), nil, nil, "")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), response.Body); err != nil {
		if local := (*fs.PathError)(nil); errors.As(err, &local) {
			return nil, err // out is a file, and cannot be written
		}
		return nil, c.explain(err)
	}
	want := fmt.Sprintf("sha-256=:%s:", base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	if told := response.Header.Get("Repr-Digest"); told != want {
		return nil, api.Errorf(api.CodeUnavailable, "the snapshot came damaged: it has %s, not %s", want, told)
	}
	return sum.Sum(nil), nil
}
