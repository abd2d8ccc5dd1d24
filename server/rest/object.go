package rest

import (
	"net/http"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/store"
)

const asAsked = "as asked"

type handler = func(*API, http.ResponseWriter, *http.Request) error

// listing answers with all objects of a kind; show, if any, takes a copy and
// hides what is not to be seen.
func listing[T any, P object[T]](show func(T) T) handler {
	return func(a *API, w http.ResponseWriter, _ *http.Request) error {
		all := []T{}
		for _, each := range list[T, P](a.store.Snapshot()) {
			all = append(all, shown(*each, show))
		}
		return reply(w, all)
	}
}

func getting[T any, P object[T]](noun string, show func(T) T) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request) error {
		found, err := find[T, P](a.store.Snapshot(), noun, r.PathValue("ref"))
		if err != nil {
			return err
		}
		return reply(w, shown(*found, show))
	}
}

func shown[T any](value T, show func(T) T) T {
	if show == nil {
		return value
	}
	return show(value)
}

// creating drafts a new object from the spec in the body, and answers with it.
func creating[S any](create func(*deploy.Draft, S) (api.Object, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request) error {
		spec, err := decode[S](r)
		if err != nil {
			return err
		}
		var object api.Object
		_, snapshot, err := a.commit(r, func(d *deploy.Draft) (err error) {
			object, err = create(d, spec)
			return err
		})
		if err != nil {
			return err
		}
		made := snapshot.Object(object.Kind(), object.Header().ID)
		if made == nil {
			return api.NotFoundf("the %s was removed meanwhile", object.Kind())
		}
		return reply(w, hidden(made))
	}
}

func removing[T any, P object[T]](noun string, remove func(*deploy.Draft, *T) error) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request) error {
		_, _, err := a.commit(r, func(d *deploy.Draft) error {
			found, err := find[T, P](d.Snapshot(), noun, r.PathValue("ref"))
			if err != nil {
				return err
			}
			return remove(d, found)
		})
		if err != nil {
			return err
		}
		return done(w)
	}
}

// fileRoutes are those of secrets or of configs.
func fileRoutes(kind api.Kind) []Route {
	noun := string(kind)
	path := "/v1/" + noun + "s"
	create := creating(func(d *deploy.Draft, spec api.FileSpec) (api.Object, error) { return d.CreateFile(kind, spec) })
	content := "without its content"
	if kind == api.KindConfig {
		content = "with its content"
	}
	all, one, remove := listing(hideSecret), getting(noun, hideSecret), removing(noun, func(d *deploy.Draft, s *api.Secret) error {
		return d.RemoveFile(s, asAsked)
	})
	update := updating(noun, hideSecret)
	if kind == api.KindConfig {
		all, one, remove = listing(hideConfig), getting[api.Config](noun, nil), removing(noun, func(d *deploy.Draft, c *api.Config) error {
			return d.RemoveFile(c, asAsked)
		})
		update = updating[api.Config](noun, nil)
	}
	return []Route{
		{Method: "GET", Path: path, Access: Users, Does: "the " + noun + "s, without their contents", handler: all},
		{Method: "POST", Path: path, Access: Users, Does: "create a " + noun, limit: fileBody, handler: create},
		{Method: "GET", Path: path + "/{ref}", Access: Users, Does: "one " + noun + ", " + content, handler: one},
		{Method: "PUT", Path: path + "/{ref}", Access: Users, Does: "give a " + noun + " new content; services that use it roll", limit: fileBody, handler: update},
		{Method: "DELETE", Path: path + "/{ref}", Access: Users, Does: "remove a " + noun + " that no service uses", handler: remove},
	}
}

func updating[T any, P object[T]](noun string, show func(T) T) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request) error {
		update, err := decode[api.FileUpdate](r)
		if err != nil {
			return err
		}
		var id string
		_, snapshot, err := a.commit(r, func(d *deploy.Draft) error {
			found, err := find[T, P](d.Snapshot(), noun, r.PathValue("ref"))
			if err != nil {
				return err
			}
			id = P(found).Header().ID
			return d.UpdateFile(P(found), update)
		})
		if err != nil {
			return err
		}
		changed := store.Get[T, P](snapshot, id)
		if changed == nil {
			return api.NotFoundf("the %s was removed meanwhile", noun)
		}
		return reply(w, shown(*changed, show))
	}
}

// hidden is an object without what the API must not show.
func hidden(object api.Object) api.Object {
	if secret, ok := object.(*api.Secret); ok {
		copied := hideSecret(*secret)
		return &copied
	}
	return object
}

func hideSecret(secret api.Secret) api.Secret {
	secret.Spec.Data = nil
	return secret
}

// hideConfig keeps lists short.
func hideConfig(config api.Config) api.Config {
	config.Spec.Data = nil
	return config
}
