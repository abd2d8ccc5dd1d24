package rest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/orc-project/orc/api"
)

var snapshotRoutes = []Route{
	{Method: "GET", Path: "/v1/snapshots", Access: Users, Does: "the snapshots of the database that this manager keeps", handler: (*API).snapshots},
	{Method: "POST", Path: "/v1/snapshots", Access: Users, Does: "make a snapshot and keep it on this manager", handler: (*API).keepSnapshot},
	{Method: "GET", Path: "/v1/snapshot", Access: Users, Does: "a new snapshot as a file (application/octet-stream), with its SHA-256 as Repr-Digest", handler: (*API).sendSnapshot},
}

// Snapshots makes snapshots of the database, one at a time.
type Snapshots interface {
	// List returns those that are kept, the oldest first. The error may be about
	// some that cannot be read; the others are returned all the same.
	List() ([]api.SnapshotView, error)
	// Keep makes one and keeps it.
	Keep(ctx context.Context) (api.SnapshotView, error)
	// Make makes one that is gone when it is closed.
	Make(ctx context.Context) (SnapshotFile, error)
}

// SnapshotFile is a snapshot to be sent.
type SnapshotFile interface {
	io.ReadCloser
	Name() string
	Length() int64
	Sum() []byte // SHA-256 of the file
}

func (a *API) snapshots(w http.ResponseWriter, _ *http.Request) error {
	found, err := a.keeper.List()
	if err != nil && len(found) == 0 {
		return err
	}
	if found == nil {
		found = []api.SnapshotView{}
	}
	return reply(w, found)
}

func (a *API) keepSnapshot(w http.ResponseWriter, r *http.Request) error {
	made, err := a.keeper.Keep(r.Context())
	if err != nil {
		return err
	}
	return reply(w, made)
}

func (a *API) sendSnapshot(w http.ResponseWriter, r *http.Request) error {
	file, err := a.keeper.Make(r.Context())
	if err != nil {
		return err
	}
	defer file.Close()
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(file.Length(), 10))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name()}))
	header.Set("Repr-Digest", fmt.Sprintf("sha-256=:%s:", base64.StdEncoding.EncodeToString(file.Sum()))) // RFC 9530
	_, _ = io.Copy(w, file)                                                                               // a client that is gone, or sees too few bytes, knows
	return nil
}
