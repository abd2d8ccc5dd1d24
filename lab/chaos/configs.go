package chaos

import (
	"context"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// configs are registers made of configs: the content is the value. They are written
// without a look at what was there.
type configs struct{ keys []string }

func (c configs) Keys() []string { return c.keys }

func (c configs) Make(ctx context.Context, to *client.Client) error {
	for _, key := range c.keys {
		if _, err := to.CreateConfig(ctx, api.FileSpec{Name: key, Data: []byte(key)}); err != nil {
			return err
		}
	}
	return nil
}

func (c configs) Set(ctx context.Context, to *client.Client, key, value string) (Operation, error) {
	_, err := to.UpdateConfig(ctx, key, api.FileUpdate{Data: []byte(value)})
	return Operation{Verb: Write, Value: value}, err
}

// Get updates with no change: that writes nothing, and is answered with a view
// that has all that was acknowledged before through any manager. A plain read
// promises that for writes through the same manager only.
func (c configs) Get(ctx context.Context, to *client.Client, key string) (Operation, error) {
	config, err := to.UpdateConfig(ctx, key, api.FileUpdate{})
	return Operation{Verb: Read, Value: string(config.Spec.Data)}, err
}

func (c configs) Remove(ctx context.Context, to *client.Client) error {
	return removed(c.keys, func(key string) error { return to.RemoveConfig(ctx, key) })
}

// removed removes all keys; those that are gone already are no error.
func removed(keys []string, remove func(string) error) error {
	for _, key := range keys {
		if err := remove(key); err != nil && api.CodeOf(err) != api.CodeNotFound {
			return err
		}
	}
	return nil
}
