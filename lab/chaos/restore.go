package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/lab"
)

// restore is the loss of all managers with what they know: a snapshot that was saved
// before makes the first one anew, the others join it, and the workers find it. What
// was acknowledged after the snapshot is gone, and nothing else. Workers run what was
// begun after it until they hear from that manager, while their successors start.
var restore = Fault{
	Name: "restore", On: Leader, Weight: 1, Hold: [2]time.Duration{0, 4 * time.Second}, Alone: true,
	Begin: func(ctx context.Context, c *Cluster, _ *lab.Node) error {
		// What came before may have left an election behind.
		return again(ctx, c.pace, healTime, func() error { return c.journal(Save, func() error { return c.save(ctx) }) })
	},
	End: func(ctx context.Context, c *Cluster, _ *lab.Node) error {
		for _, node := range c.Managers() {
			c.health.begin(node.Name(), true)
			defer func() { c.health.end(node.Name(), true, c.pace.Now()) }()
		}
		if err := c.journal(Restore, func() error { return c.restore(ctx) }); err != nil {
			return err
		}
		for _, node := range c.Managers()[1:] {
			if err := node.Start(ctx); err != nil {
				return err
			}
		}
		return c.Lab.WaitManagers(ctx)
	},
}

// snapshotFile is where save puts a snapshot and restore finds it.
func (c *Cluster) snapshotFile() string { return filepath.Join(c.Lab.Dir(), "chaos.orcsnap") }

func (c *Cluster) save(ctx context.Context) error {
	return c.Ask(ctx, func(ctx context.Context, api *client.Client) error {
		file, err := os.Create(c.snapshotFile())
		if err != nil {
			return err
		}
		_, err = api.SaveSnapshot(ctx, file)
		return errors.Join(err, file.Close())
	})
}

// restore returns when the first manager answers, as the only one.
func (c *Cluster) restore(ctx context.Context) error {
	var key string
	if err := again(ctx, c.pace, healTime, func() error {
		return c.Ask(ctx, func(ctx context.Context, api *client.Client) error {
			answer, err := api.UnlockKey(ctx)
			key = answer.Key
			return err
		})
	}); err != nil {
		return fmt.Errorf("unlock key: %w", err)
	}
	for _, node := range c.Managers() {
		if err := node.Erase(ctx); err != nil {
			return err
		}
	}
	first := c.Managers()[0]
	command := first.Command(ctx, c.binary, "snapshot", "restore", "--data-dir", first.DataDir(),
		"--name", first.Name(), "--advertise", first.Address().String(), c.snapshotFile())
	command.Env = append(command.Env, "ORC_UNLOCK_KEY="+key)
	said, err := os.CreateTemp(c.Lab.Dir(), "restore-*.log")
	if err != nil {
		return err
	}
	defer said.Close()
	command.Stdout, command.Stderr = said, said
	if err := first.Exec(command); err != nil {
		text, readErr := os.ReadFile(said.Name())
		return errors.Join(fmt.Errorf("restore: %w: %s", err, text), readErr)
	}
	if err := first.Start(ctx); err != nil {
		return err
	}
	return first.WaitReady(ctx)
}
