package chaos

import (
	"context"
	"fmt"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// mortals are registers made of configs that come and go: the content is the value, and
// it is absent while there is no config. What was created is never written over, so an ID
// stands for a value.
type mortals struct{ configs }

// Set creates what is not there and removes what is.
func (m mortals) Set(ctx context.Context, to *client.Client, key, value string) (Operation, error) {
	config, err := to.UpdateConfig(ctx, key, api.FileUpdate{})
	switch {
	case noSuch(err):
		_, err := to.CreateConfig(ctx, api.FileSpec{Name: key, Data: []byte(value)})
		return Operation{Verb: Swap, Old: absent, Value: value}, err
	case err != nil:
		return Operation{}, fmt.Errorf("%w: %w", errNotTried, err)
	}
	return Operation{Verb: Swap, Old: string(config.Spec.Data), Value: absent}, to.RemoveConfig(ctx, config.ID)
}

func (m mortals) Get(ctx context.Context, to *client.Client, key string) (Operation, error) {
	o, err := m.configs.Get(ctx, to, key)
	if noSuch(err) {
		return Operation{Verb: Read, Value: absent}, nil
	}
	return o, err
}

// noSuch says whether an answer is certain that there is no such object.
func noSuch(err error) bool {
	return api.CodeOf(err) == api.CodeNotFound && api.ReasonOf(err) == api.ReasonUnwritten
}
