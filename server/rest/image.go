package rest

import (
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var imageRoutes = []Route{
	{Method: "GET", Path: "/v1/images", Access: Users, Does: "the images that were loaded", handler: listing[api.Image](nil)},
	{Method: "POST", Path: "/v1/images", Access: Users, Does: "load an archive (of Docker or OCI) onto every node; NDJSON of progress; `size=` in bytes", limit: unlimited, handler: (*API).loadImages},
	{Method: "DELETE", Path: "/v1/images/{ref}", Access: Users, Does: "forget a loaded image's name", handler: (*API).removeImage},
}

// findImage resolves an image by name, which may be short, or ID.
func findImage(s *store.Snapshot, ref string) (*api.Image, error) {
	if name, err := deploy.NormalizeImage(ref); err == nil {
		if image := store.First[api.Image](s, store.ByName, name); image != nil {
			return image, nil
		}
	}
	return find[api.Image](s, "image", ref)
}

func (a *API) removeImage(w http.ResponseWriter, r *http.Request) error {
	_, _, err := a.commit(r, func(d *deploy.Draft) error {
		image, err := findImage(d.Snapshot(), r.PathValue("ref"))
		if err != nil {
			return err
		}
		d.Put(image, nil)
		return nil
	})
	if err != nil {
		return err
	}
	return done(w)
}

// recordImages notes the names that an archive brought.
func recordImages(d *deploy.Draft, images []api.Image) {
	for _, image := range images {
		before := store.First[api.Image](d.Snapshot(), store.ByName, image.Name)
		if before == nil {
			image.ID = d.NewID()
			d.Put(nil, &image)
			continue
		}
		after := *before
		after.Digest, after.Size, after.Config = image.Digest, image.Size, image.Config
		if !api.EqualSpec(before, &after) {
			d.Put(before, &after)
		}
	}
}
