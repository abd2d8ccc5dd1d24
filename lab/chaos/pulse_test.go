package chaos

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAManagerThatIsWellMustAcknowledgeWrites(t *testing.T) {
	const almost, little = answerLimit - time.Second, 2 * time.Second
	synctest.Test(t, func(t *testing.T) {
		h, pace := newHealth([]string{"n1", "n2", "n3"}), newPace()
		p := newPulse(h, pace)
		ended, end := context.WithCancel(t.Context())
		end()
		time.Sleep(time.Hour)
		require.NoError(t, p.watch(ended), "before there are clients nobody is silent")
		answers := func(wait time.Duration, managers ...string) {
			t.Helper()
			time.Sleep(wait)
			require.NoError(t, p.check())
			for _, manager := range managers {
				p.beat(manager)
			}
		}
		answers(almost, "n1", "n2", "n3")
		answers(almost, "n1", "n2", "n3")
		require.Equal(t, almost, p.silence())

		h.begin("n3", true)
		answers(almost, "n1", "n2")
		answers(almost, "n1", "n2") // n3 need not
		h.begin("n2", true)
		answers(almost)
		answers(almost) // without most of the managers none can
		h.end("n2", true, pace.Now())
		answers(almost, "n1")
		time.Sleep(little)
		err := p.check()
		var violation *Violation
		require.ErrorAs(t, err, &violation)
		require.Equal(t, "liveness", violation.Invariant)
		require.Contains(t, violation.Text, "n2")
	})
}
