package chaos

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestAnErrorLeavesKnownWhatIsCertain(t *testing.T) {
	sure := func(code api.Code) error { return api.Errorf(code, "no").Because(api.ReasonUnwritten) }
	write, swap := Operation{Verb: Write, Value: "b"}, Operation{Verb: Swap, Old: "a", Value: "b"}
	gone := Operation{Verb: Read, Value: absent, Outcome: Done}
	ended := func(o Operation, outcome Outcome) Operation {
		o.Outcome = outcome
		return o
	}
	for name, c := range map[string]struct {
		did  Operation
		err  error
		want Operation
	}{
		"an answer":                   {write, nil, ended(write, Done)},
		"no answer":                   {write, context.DeadlineExceeded, ended(write, Unknown)},
		"a fault of the database":     {swap, api.Errorf(api.CodeUnavailable, "no"), ended(swap, Unknown)},
		"a conflict after the commit": {swap, api.Conflictf("no"), ended(swap, Unknown)},
		"another version":             {swap, sure(api.CodeConflict), ended(swap, Refused)},
		"a removal by another":        {Operation{Verb: Swap, Old: "a"}, sure(api.CodeNotFound), Operation{Verb: Swap, Old: "a", Outcome: Refused}},
		"no quorum":                   {swap, sure(api.CodeUnavailable), ended(swap, Unwritten)},
		"no quorum for a write":       {write, sure(api.CodeUnavailable), ended(write, Unwritten)},
		"no object":                   {write, sure(api.CodeNotFound), gone},
		"no object to swap":           {swap, sure(api.CodeNotFound), gone},
		"removed after the commit":    {write, api.NotFoundf("no"), ended(write, Unknown)},
	} {
		require.Equal(t, c.want, judge(c.did, c.err), name)
	}
}

func TestTheEndOfARoundReadsThroughAllThenWritesThroughEachAndReadsThroughAnother(t *testing.T) {
	require.Equal(t, []finalStep{
		{"n1", false}, {"n2", false},
		{"n1", true}, {"n2", false},
		{"n2", true}, {"n1", false},
	}, finalSteps([]string{"n1", "n2"}))
}
