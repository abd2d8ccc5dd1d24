package compose

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

func hooks(list []types.ServiceHook) []api.Hook {
	var found []api.Hook
	for _, h := range list {
		found = append(found, api.Hook{
			Command: h.Command, Env: environment(h.Environment), Dir: h.WorkingDir, User: h.User, Privileged: h.Privileged,
		})
	}
	return found
}
