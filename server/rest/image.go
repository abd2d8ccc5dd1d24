package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

var imageRoutes = []Route{
	{Method: "GET", Path: "/v1/images", Access: Users, Does: "the images that were loaded or that nodes have; `node=`", handler: (*API).images},
	{Method: "POST", Path: "/v1/images", Access: Users, Does: "load an archive (of Docker or OCI) onto every node; NDJSON of progress; `size=` in bytes", limit: unlimited, handler: (*API).loadImages},
	{Method: "DELETE", Path: "/v1/images/{ref}", Access: Users, Does: "remove an image that no service uses from the nodes, and forget that it was loaded; `force=1`: although one uses it", handler: (*API).removeImage},
}

func (a *API) images(w http.ResponseWriter, r *http.Request) error {
	snapshot := a.store.Snapshot()
	ref := r.URL.Query().Get("node")
	nodes, err := a.workers(snapshot, ref)
	if err != nil {
		return err
	}
	listing := joinImages(snapshot, gather[[]wire.LoadedImage](r.Context(), a, gatherTimeout, nodes, same(wire.DoRequest{Images: true})))
	if ref != "" { // what it does not have is not asked for
		listing.Items = slices.DeleteFunc(listing.Items, func(v api.ImageView) bool { return len(v.Nodes) == 0 })
	}
	return reply(w, listing)
}

// joinImages joins what was loaded with what nodes have, by name and digest.
func joinImages(s *store.Snapshot, answers []gathered[[]wire.LoadedImage]) api.Listing[api.ImageView] {
	listing := api.Listing[api.ImageView]{Items: []api.ImageView{}}
	views := make(map[string]*api.ImageView)
	of := func(image api.Image) *api.ImageView {
		key := image.Name + " " + image.Digest
		if views[key] == nil {
			views[key] = &api.ImageView{Image: image, Nodes: []api.NodeImage{}}
		}
		return views[key]
	}
	for image := range store.All[api.Image](s) {
		of(*image)
	}
	for _, answer := range answers {
		if answer.err != nil {
			listing.Away = append(listing.Away, answer.away())
		}
		for _, has := range answer.value {
			image := of(api.Image{Meta: api.Meta{Created: has.Created, Updated: has.Created}, Name: has.Name, Digest: has.Digest, Size: has.Size, Config: has.Config})
			image.Nodes = append(image.Nodes, api.NodeImage{Node: answer.node.ID, NodeName: answer.node.Name, Loaded: has.Loaded, InUse: has.InUse})
		}
	}
	users := deploy.ImageUsers(s)
	for _, view := range views {
		view.UsedBy = users[view.Digest]
		listing.Items = append(listing.Items, *view)
	}
	slices.SortFunc(listing.Items, func(a, b api.ImageView) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Digest, b.Digest))
	})
	return listing
}

// findImage resolves an image by name, which may be short, or ID.
func findImage(s *store.Snapshot, ref string) (*api.Image, error) {
	if name, err := deploy.NormalizeImage(ref); err == nil {
		if image := store.First[api.Image](s, store.ByName, name); image != nil {
			return image, nil
		}
	}
	image, err := find[api.Image](s, "image", ref)
	if api.CodeOf(err) != api.CodeNotFound {
		return image, err
	}
	names := namesOf[api.Image](s)
	for i, name := range names {
		names[i] = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	}
	return nil, api.NoSuch("image", ref, names, "")
}

// removeImage forgets that an image was loaded and has the nodes remove its name.
// A node where a task needs it keeps it until that is gone and the disk is needed.
func (a *API) removeImage(w http.ResponseWriter, r *http.Request) error {
	force, err := truth(r, "force")
	if err != nil {
		return err
	}
	ref := r.PathValue("ref")
	name, err := deploy.NormalizeImage(ref)
	if err != nil {
		name = ref // it may be an ID
	}
	_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
		image, err := findImage(d.Snapshot(), ref)
		if err != nil {
			return err
		}
		if users := deploy.ImageUsers(d.Snapshot())[image.Digest]; len(users) > 0 && !force {
			return api.Conflictf("image %s is in use by %s, now or by what is left of a revision: remove or change that first, or use --force", ref, strings.Join(users, ", "))
		}
		name = image.Name
		d.Put(image, nil)
		return nil
	})
	known := err == nil
	if err != nil && api.CodeOf(err) != api.CodeNotFound {
		return err
	}
	if snapshot == nil {
		snapshot = a.store.Snapshot()
	}
	nodes, gone := a.workers(snapshot, "")
	if gone != nil {
		return gone
	}
	request := wire.DoRequest{Prune: &wire.PruneRequest{Names: []string{name}}}
	result := []api.NodePruned{}
	for _, answer := range gather[wire.Pruned](r.Context(), a, pruneTimeout, nodes, same(request)) {
		known = known || len(answer.value.Images) > 0
		result = append(result, prunedView(answer))
	}
	if !known {
		return err // neither loaded nor on a node
	}
	return reply(w, result)
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
