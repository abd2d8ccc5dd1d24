package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const app = `
name: shop
services:
  web:
    image: whoami:1.0
    environment: {PORT: "0"}
    network_mode: host
    deploy:
      replicas: 3
      update_config: {parallelism: 3, monitor: 1s}
  clock:
    image: clock:1.0
    network_mode: none
    deploy: {mode: global}
`

func TestDeployRunsAnAppAndASecondDeployChangesOnlyWhatDiffers(t *testing.T) {
	cluster(t)
	file := write(t, "app.yaml", app)
	orc(t, "deploy", file)
	waitRunning(t, "shop_web", 3)
	waitRunning(t, "shop_clock", 3)
	web, clock := containers(t, "shop_web"), containers(t, "shop_clock")

	orc(t, "deploy", file)
	require.Equal(t, web, containers(t, "shop_web"), "the same file again changes nothing")
	require.Equal(t, clock, containers(t, "shop_clock"))

	changed := write(t, "app.yaml", strings.Replace(app, "clock:1.0", "clock:2.0", 1))
	plan := orc(t, "deploy", "--dry-run", changed)
	require.Contains(t, plan, "clock")
	require.Equal(t, clock, containers(t, "shop_clock"), "a dry run changes nothing")

	orc(t, "deploy", changed)
	waitRunning(t, "shop_clock", 3)
	require.Equal(t, web, containers(t, "shop_web"), "what does not differ goes on")
	for name, id := range containers(t, "shop_clock") {
		require.NotEqual(t, clock[name], id, name)
	}

	orc(t, "app", "rm", "shop")
	eventually(t, "the app is gone", func() error { return leftovers("shop_web", "shop_clock") })
}

func TestARemovedAppLeavesNoSnapshotBehind(t *testing.T) {
	cluster(t)
	file := write(t, "app.yaml", app)
	deployAndRemove := func() {
		orc(t, "deploy", file)
		orc(t, "app", "rm", "shop")
		eventually(t, "the app is gone", func() error { return leftovers("shop_web", "shop_clock") })
	}
	deployAndRemove() // unpacks the images where that had not been done
	before := settled(t)
	require.NotZero(t, before, "the images' layers stay")
	deployAndRemove()
	eventually(t, "as many snapshots as before", func() error {
		if after, err := snapshots(); err != nil || after > before {
			return errors.Join(err, fmt.Errorf("%d, and %d before", after, before))
		}
		return nil
	})
}

// settled waits until the number of snapshots stays the same for some seconds:
// containerd collects what was removed a little later.
func settled(t *testing.T) int {
	t.Helper()
	last, same := -1, 0
	eventually(t, "the number of snapshots stays the same", func() error {
		count, err := snapshots()
		if err != nil {
			return err
		}
		if count != last {
			last, same = count, 0
		}
		if same++; same < 40 { // times the pause between two looks
			return fmt.Errorf("it was %d just now", count)
		}
		return nil
	})
	return last
}

func TestPruneRemovesWhatTheFileLeftOut(t *testing.T) {
	cluster(t)
	orc(t, "deploy", write(t, "app.yaml", app))
	only := app[:strings.Index(app, "  clock:")]
	orc(t, "deploy", write(t, "app.yaml", only))
	require.Contains(t, orc(t, "service", "ls"), "shop_clock", "without --prune a service stays")
	orc(t, "deploy", "--prune", write(t, "app.yaml", only))
	eventually(t, "the service is gone", func() error { return leftovers("shop_clock") })
	waitRunning(t, "shop_web", 3)
}
