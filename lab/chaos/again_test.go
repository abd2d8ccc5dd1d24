package chaos

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAgainEndsWithSuccessAViolationOrTheLimit(t *testing.T) {
	transient := errors.New("not yet")
	broken := violationf("promise", "broken")
	for name, c := range map[string]struct {
		answers []error // the last one is given for ever
		want    error
		tries   int
	}{
		"success":   {[]error{transient, nil}, nil, 2},
		"violation": {[]error{transient, broken}, broken, 2},
		"limit":     {[]error{transient}, transient, 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				err := again(t.Context(), newPace(), 5*restAfterError-time.Millisecond, func() error {
					tries++
					return c.answers[min(tries, len(c.answers))-1]
				})
				require.Equal(t, c.want, err)
				require.Equal(t, c.tries, tries)
			})
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, transient, again(ended, newPace(), time.Hour, func() error { return transient }))
}
