package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
)

// keepsakeLimit is how many rounds are remembered.
const keepsakeLimit = 30

// keepsakes are registers of earlier rounds that nobody writes to any more: what
// they held at the end of their round they hold for ever.
type keepsakes struct{ held []keepsake }

// keepsake is what a register held, and what was on its way to it: a manager brings to
// its end what was begun, though the client has gone.
type keepsake struct {
	key, value string
	late       []string
}

// add remembers what the last read of a key has found.
func (k *keepsakes) add(history []Operation, key string) {
	for i := len(history) - 1; i >= 0; i-- {
		if o := history[i]; o.Key == key && o.Verb == Read && o.Outcome == Done {
			k.held = append(k.held, keepsake{key, o.Value, unseen(history, key)})
			break
		}
	}
	if len(k.held) > keepsakeLimit {
		k.held = k.held[1:]
	}
}

// unseen are the values of a key that may still be written: their writers had no answer,
// and nobody has read them.
func unseen(history []Operation, key string) []string {
	seen := sightings(history)
	var late []string
	for _, o := range history {
		if _, found := seen[value{key, o.Value}]; o.Key == key && o.Verb == Write && o.Outcome == Unknown && !found {
			late = append(late, o.Value)
		}
	}
	return late
}

// check asks every manager, which must all answer within the limit.
func (k *keepsakes) check(ctx context.Context, cluster *Cluster, limit time.Duration) error {
	for _, each := range k.held {
		for _, manager := range cluster.Managers() {
			if err := again(ctx, cluster.pace, limit, func() error { return each.check(ctx, cluster.Client(manager.Name())) }); err != nil {
				return fmt.Errorf("manager %s: %w", manager.Name(), err)
			}
		}
	}
	return nil
}

func (k keepsake) check(ctx context.Context, c *client.Client) error {
	timed, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	config, err := c.Config(timed, k.key)
	switch {
	case api.CodeOf(err) == api.CodeNotFound:
		return violationf("no write is lost", "%s of an earlier round is gone", k.key)
	case err != nil:
		return fmt.Errorf("%s of an earlier round cannot be read: %w", k.key, err)
	}
	if got := string(config.Spec.Data); got != k.value && !slices.Contains(k.late, got) {
		return violationf("no write is lost", "%s of an earlier round holds %s, it held %s", k.key, got, k.value)
	}
	return nil
}
