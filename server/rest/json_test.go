package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestARequestThatIsEndedFromWithoutSaysWhy(t *testing.T) {
	m := newManager(t)
	out := api.Errorf(api.CodeForbidden, "this node is no manager any more")
	for name, c := range map[string]struct {
		cause error
		code  api.Code
		says  string
	}{
		"who asked is not to be there any more": {out, api.CodeForbidden, "no manager any more"},
		"the manager stops":                     {nil, api.CodeUnavailable, "stops"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/members", http.NoBody)
			refused := func(err error) (answer api.Error) {
				w := httptest.NewRecorder()
				m.api.refuse(w, r, err)
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
				return answer
			}
			failure := fmt.Errorf("list the members: %w", context.Canceled)
			require.Equal(t, api.CodeInternal, refused(failure).Code, "something else was ended")
			cancel(c.cause)
			answer := refused(failure)
			require.Equal(t, c.code, answer.Code)
			require.Contains(t, answer.Message, c.says)
			require.Equal(t, api.CodeConflict, refused(api.Conflictf("a name is taken")).Code, "it failed before")
		})
	}
}
