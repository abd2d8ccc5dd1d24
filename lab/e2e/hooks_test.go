package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

const hooked = `
name: hooked
services:
  tool:
    image: toolbox:1.0
    network_mode: none
    user: "65534"
    volumes: ["seen:/seen"]
    post_start:
      - command: /toolbox append /seen/log opened
        user: root
    pre_stop:
      - command: /toolbox append log closed
        user: root
        working_dir: /seen
    deploy: {update_config: {monitor: 0s}}
volumes:
  seen:
`

func TestHooksRunAfterTheStartAndBeforeTheStop(t *testing.T) {
	cluster(t)
	orc(t, "deploy", write(t, "app.yaml", hooked))
	waitRunning(t, "hooked_tool", 1)
	orc(t, "deploy", write(t, "app.yaml", strings.Replace(hooked, "toolbox:1.0", "toolbox:2.0", 1)))
	task := waitRunning(t, "hooked_tool", 1)[0]
	require.Equal(t, "opened\nclosed\nopened\n", orc(t, "exec", task.Name, "/toolbox", "head", "/seen/log"))
}

func TestATaskWhosePostStartHookFailsHasFailedAndSaysWhy(t *testing.T) {
	cluster(t)
	content := strings.Replace(hooked, "    post_start:\n", "    restart: \"no\"\n    post_start:\n      - command: [/toolbox, exit, \"3\"]\n", 1)
	_, err := tryOrc(t, "deploy", "--detach", write(t, "app.yaml", content))
	require.NoError(t, err)
	eventually(t, "the task has failed", func() error {
		for _, task := range tasks(t, "hooked_tool") {
			if task.Status.State == api.TaskFailed && strings.Contains(task.Status.Message, `post_start hook "/toolbox exit 3": exit code 3`) {
				return nil
			}
		}
		return fmt.Errorf("it has not: %s", describe(tasks(t, "hooked_tool")))
	})
}
