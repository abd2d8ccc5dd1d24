package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
	"github.com/orc-project/orc/node"
)

func (p *program) snapshot() *cli.Command {
	return &cli.Command{
		Name: "snapshot", Usage: "save and restore the cluster's database",
		Description: "A snapshot holds all that the managers know: services, secrets, nodes, the CA. It opens with the\n" +
			"cluster's unlock key alone (`orc unlock-key`), which belongs outside of the cluster.",
		Subcommands: []*cli.Command{
			p.snapshotSave(),
			lister(p, "orc snapshot", "List the snapshots that the manager keeps", snapshotListing(time.Now()),
				func(ctx context.Context, cl *client.Client) ([]api.SnapshotView, error) { return cl.Snapshots(ctx) }),
			p.snapshotRestore(),
		},
	}
}

func snapshotListing(now time.Time) listing[api.SnapshotView] {
	return listing[api.SnapshotView]{
		List: output.List[api.SnapshotView]{
			ID: func(s api.SnapshotView) string { return s.Name },
			Columns: []output.Column[api.SnapshotView]{
				{Name: "Name", Header: "NAME", Value: func(s api.SnapshotView) string { return s.Name }, Shrink: true, Tail: true},
				{Name: "Created", Header: "CREATED", Value: func(s api.SnapshotView) string { return output.Ago(now, s.Created) }},
				{Name: "Size", Header: "SIZE", Value: func(s api.SnapshotView) string { return output.Size(s.Length) }},
				{Name: "Key", Header: "KEY", Value: func(s api.SnapshotView) string { return s.Key }, Spare: 2},
				{Name: "Path", Header: "PATH", Value: func(s api.SnapshotView) string { return s.Path }, Shrink: true, Tail: true, Spare: 1},
				{Name: "Node", Value: func(s api.SnapshotView) string { return s.Node }},
				{Name: "Orc", Value: func(s api.SnapshotView) string { return s.Orc }},
			},
		},
	}
}

func (p *program) snapshotSave() *cli.Command {
	return &cli.Command{
		Name: "save", Usage: "Save a snapshot to a file here, or on the manager", ArgsUsage: "[FILE|-]",
		Description: examples("orc snapshot save", "orc snapshot save cluster.orcsnap", "orc snapshot save - | ssh vault 'cat > cluster.orcsnap'") +
			"\n\nWithout a file the manager keeps it under its data directory, as it does by itself (see\n" +
			"`orc cluster update --snapshot-interval`). It is read back and verified before this returns.",
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 1); err != nil {
				return err
			}
			switch file := c.Args().First(); file {
			case "":
				made, err := cl.KeepSnapshot(c.Context)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(p.Out, made.Path)
				return err
			case "-":
				_, err := cl.SaveSnapshot(c.Context, p.Out)
				return err
			default:
				if err := saveSnapshot(c.Context, cl, file); err != nil {
					return err
				}
				_, err := fmt.Fprintln(p.Out, file)
				return err
			}
		}),
	}
}

// saveSnapshot makes the file: whole and on the disk, or not at all.
func saveSnapshot(ctx context.Context, cl *client.Client, path string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".orcsnap-") // mode 0600
	if err != nil {
		return fmt.Errorf("save the snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err = cl.SaveSnapshot(ctx, file); err != nil {
		return errors.Join(err, file.Close())
	}
	if err = errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("save the snapshot: %w", err)
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("save the snapshot: %w", err)
	}
	return nil
}

func (p *program) snapshotRestore() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "Make this host the cluster's manager, from a snapshot", ArgsUsage: "FILE",
		Description: examples("orc snapshot restore cluster.orcsnap", "ORC_UNLOCK_KEY=$(cat key) orc snapshot restore --data-dir /srv/orc cluster.orcsnap") +
			"\n\nThe data directory must be empty. It asks for the unlock key that was in force when the snapshot was\n" +
			"made, unless ORC_UNLOCK_KEY has it. Start `orc server` afterwards: the cluster is the same, with this\n" +
			"host as its only manager. Restore only when the cluster's managers are lost: two clusters with the\n" +
			"same nodes would fight over them.",
		Flags: only(nodeFlags(api.RoleManager), "data-dir", "advertise", "listen", "name", "label", "no-agent", "config"),
		Action: func(c *cli.Context) error {
			if err := argCount(c, 1, 1); err != nil {
				return err
			}
			config, err := p.nodeConfig(c, api.RoleManager)
			if err != nil {
				return err
			}
			if err := config.Validate(); err != nil {
				return err
			}
			key, err := p.askUnlockKey()
			if err != nil {
				return err
			}
			restored, err := node.Restore(c.Context, config, c.Args().First(), key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Out, "Restored the cluster %s as of %s into %s, with %s as its only manager. Start it:\n\n    %s\n\n%s\n",
				restored.Name, restored.Created.Format(time.RFC3339), config.DataDir, restored.Node, serverCommand(c), returning(restored, config))
			return err
		},
	}
}

// serverCommand is what to start the manager with: the settings of c that are not
// kept in the data directory.
func serverCommand(c *cli.Context) string {
	command := "orc server"
	for _, name := range []string{"data-dir", "advertise", "listen"} {
		if c.IsSet(name) {
			command += " --" + name + " " + c.String(name)
		}
	}
	if c.Bool("no-agent") {
		command += " --no-agent"
	}
	return command
}

// returning says how the other nodes find the manager.
func returning(restored *node.Restored, config node.Config) string {
	workers := fmt.Sprintf("Its %d workers come back by themselves", restored.Workers)
	if restored.Workers == 1 {
		workers = "Its worker comes back by itself"
	}
	text := fmt.Sprintf("%s if this host has the address of a manager that was lost;\nelse restart each with `orc agent --join %s`.", workers, config.Advertise)
	for _, name := range restored.Managers {
		if name != config.Name {
			text += fmt.Sprintf("\nThe manager %s can join again, with an empty data directory.", name)
		}
	}
	return text
}

// only are the flags of these names.
func only(flags []cli.Flag, names ...string) []cli.Flag {
	var kept []cli.Flag
	for _, name := range names {
		if flag := findFlag(flags, name); flag != nil {
			kept = append(kept, flag)
		}
	}
	return sorted(kept)
}
