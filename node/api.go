package node

import (
	"net/http"

	"github.com/orc-project/orc/server/image"
	"github.com/orc-project/orc/server/managers"
	"github.com/orc-project/orc/server/rest"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store/seal"
)

// api answers users.
func (n *process) api(dispatcher *session.Dispatcher, others *managers.Managers) http.Handler {
	return rest.New(rest.Config{
		Store: n.database.store, Dispatcher: dispatcher, Managers: others, Resolver: &image.Resolver{}, Snapshots: n.database.snapshots,
		Keys: keys{n}, Node: n.identity.ID, Log: n.log,
	})
}

// keys is what the API does with the process's keys.
type keys struct{ *process }

var _ rest.Keys = keys{}

func (k keys) NewUnlockKey() string {
	_, text := seal.NewUnlockKey()
	return text
}

func (k keys) KeyID(key string) (string, error) {
	wrap, err := seal.UnlockKey(key)
	return wrap.ID(), err
}

func (k keys) Lock() error { return k.lock() }

func (k keys) Derive(purpose string) [16]byte { return k.process.keys.Derive(purpose) }

func (k keys) Ring() ([]byte, error) { return k.process.keys.Marshal() }
