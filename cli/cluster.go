package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/sleep"
)

func (p *program) cluster() *cli.Command {
	return &cli.Command{
		Name: "cluster", Usage: "show and change the cluster's settings",
		Subcommands: []*cli.Command{p.clusterInspect(), p.clusterUpdate(), p.clusterRotateKeys()},
	}
}

func (p *program) clusterInspect() *cli.Command {
	return soleInspecter(p, "the cluster", (*client.Client).Cluster, "orc cluster inspect", "orc cluster inspect -f '{{.Identity}}'")
}

// clusterSetting is a flag of `orc cluster update` and what it sets.
type clusterSetting struct {
	flag  cli.Flag
	apply func(*cli.Context, *api.Settings)
}

func clusterSettings() []clusterSetting {
	return []clusterSetting{
		clusterDuration("cert-lifetime", "`TIME` that node certificates are valid (at least 1h)", func(s *api.Settings) *api.Duration { return &s.CertLifetime }),
		clusterDuration("node-timeout", "`TIME` that a node may be silent before its tasks run elsewhere", func(s *api.Settings) *api.Duration { return &s.NodeTimeout }),
		{
			&cli.BoolFlag{Name: "autolock", Usage: "managers need the unlock key after every start"},
			func(c *cli.Context, s *api.Settings) { s.Autolock = c.Bool("autolock") },
		},
		clusterDuration("snapshot-interval", "`TIME` between two snapshots that managers make by themselves; 0 is none", func(s *api.Settings) *api.Duration { return &s.SnapshotInterval }),
		{
			&cli.IntFlag{Name: "snapshot-keep", Usage: "`NUMBER` of snapshots that each manager keeps"},
			func(c *cli.Context, s *api.Settings) { s.SnapshotKeep = c.Int("snapshot-keep") },
		},
	}
}

func clusterDuration(name, usage string, field func(*api.Settings) *api.Duration) clusterSetting {
	return clusterSetting{
		&cli.DurationFlag{Name: name, Usage: usage},
		func(c *cli.Context, s *api.Settings) {
			*field(s) = api.Duration(c.Duration(name).Round(time.Millisecond))
		},
	}
}

func (p *program) clusterUpdate() *cli.Command {
	settings := clusterSettings()
	var flags []cli.Flag
	for _, setting := range settings {
		flags = append(flags, setting.flag)
	}
	return &cli.Command{
		Name: "update", Usage: "Change settings of the cluster",
		Description: examples("orc cluster update --snapshot-interval 6h --snapshot-keep 10", "orc cluster update --cert-lifetime 720h", "orc cluster update --autolock", "orc cluster update --autolock=false"),
		Flags:       sorted(flags),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			view, err := cl.Cluster(c.Context)
			if err != nil {
				return err
			}
			changed := false
			for _, setting := range settings {
				if c.IsSet(setting.flag.Names()[0]) {
					setting.apply(c, &view.Settings)
					changed = true
				}
			}
			if !changed {
				return usagef("orc cluster update: name what to change, such as --snapshot-interval 6h")
			}
			if _, err = cl.UpdateCluster(c.Context, view.Settings); err != nil || !c.Bool("autolock") {
				return err
			}
			key, err := cl.UnlockKey(c.Context)
			if err != nil {
				return err
			}
			return p.showUnlockKey(key)
		}),
	}
}

func (p *program) clusterRotateKeys() *cli.Command {
	return &cli.Command{
		Name: "rotate-keys", Usage: "Seal the database with new keys",
		Description: examples("orc cluster rotate-keys") +
			"\n\nEvery manager gets a new key, everything is sealed anew with it, and the old keys are forgotten. It\n" +
			"waits for managers that are away; `orc node rm` those that do not come back.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait until it is done"}},
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			if err := argCount(c, 0, 0); err != nil {
				return err
			}
			view, err := cl.RotateKeys(c.Context)
			for said := ""; err == nil && view.Keys.Phase != api.KeysSettled && !c.Bool("detach"); view, err = cl.Cluster(c.Context) {
				if now := keyProgress(view); now != said {
					fmt.Fprintln(p.Err, now)
					said = now
				}
				if err := sleep.For(c.Context, keyPoll); err != nil {
					return err
				}
			}
			if err == nil && !c.Bool("detach") {
				fmt.Fprintln(p.Err, "the keys are rotated")
			}
			return err
		}),
	}
}

// keyPoll is the time between two looks at a rotation.
const keyPoll = 200 * time.Millisecond

func keyProgress(view api.ClusterView) string {
	text := map[api.KeyPhase]string{
		api.KeysSpread: "every manager gets the new key",
		api.KeysUse:    "everything is sealed with the new key",
		api.KeysDrop:   "the old keys are forgotten",
	}[view.Keys.Phase]
	if len(view.Waiting) > 0 {
		text += "; waiting for " + strings.Join(view.Waiting, ", ")
	}
	return text
}
