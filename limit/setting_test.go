package limit

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryLimitIsASetting(t *testing.T) {
	l := Limits{}
	usual := Default()
	for _, each := range settings {
		require.NoError(t, l.Set(each.name, each.text(&usual)), each.name)
	}
	require.Equal(t, usual, l, "a field without a setting, or two with one")
	require.Equal(t, reflect.TypeFor[Limits]().NumField(), len(settings))
	require.Empty(t, l.Changes())
	require.NoError(t, l.Check())
}

func TestLimitsAreSet(t *testing.T) {
	l := Default()
	for name, text := range map[string]string{"strangers": "64", "requests": "0.5e2", "handshake-timeout": "1m30s", "body-limit": "131072", "connections": "256"} {
		require.NoError(t, l.Set(name, text))
	}
	require.Equal(t, 64, l.Strangers)
	require.Equal(t, 50.0, l.Requests)
	require.Equal(t, 90*time.Second, l.HandshakeTimeout)
	require.EqualValues(t, 128<<10, l.BodyLimit)
	require.Equal(t, []string{"handshake-timeout=1m30s", "strangers=64", "requests=50", "body-limit=131072"}, l.Changes())
	require.NoError(t, l.Check())
}

func TestAWrongLimitIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"stranger", "1", "there are handshakes, "},
		{"strangers", "many", "as 512"},
		{"strangers", "", "as 512"},
		{"strangers", "0", "the least is 1"},
		{"strangers", "-1", "the least is 1"},
		{"strangers", "99999999999999999999", "as 512"},
		{"requests", "NaN", "as 20"},
		{"requests", "+Inf", "as 20"},
		{"requests", "1e300", "as 20"},
		{"requests", "0", "the least is 1"},
		{"stranger-life", "60", "as 1m0s"},
		{"stranger-life", "10ms", "the least is 1s"},
		{"worker-requests-burst", "1", "the least is 50"},
	} {
		l := Default()
		require.ErrorContains(t, l.Set(c.name, c.text), c.want)
		require.Equal(t, Default(), l)
	}
	l := Default()
	l.Strangers = l.AllStrangers + 1
	require.ErrorContains(t, l.Check(), "more than all-strangers=4096")
	l = Default()
	l.Connections = l.AllConnections + 1
	require.ErrorContains(t, l.Check(), "more than all-connections=12000")
	l = Default()
	l.Requests = l.AllRequests + 1
	require.ErrorContains(t, l.Check(), "more than all-requests=100")
}
