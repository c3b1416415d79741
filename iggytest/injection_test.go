package iggytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestFaultConditions(t *testing.T) {
	t.Parallel()
	refuse := iggytest.Answer(embedded.StatusIOError)
	pattern := func(t *testing.T, f iggytest.Fault) string {
		proxy := iggytest.NewProxy(t, start(t).Address())
		proxy.Inject(f)
		conn := dial(t, proxy.Address())
		pattern := ""
		for range 20 {
			if conn.status(t, embedded.Ping, nil) == embedded.StatusOK {
				pattern += "."
			} else {
				pattern += "x"
			}
		}
		return pattern
	}
	require.Equal(t, "xxxxxxxxxxxxxxxxxxxx", pattern(t, refuse))
	require.Equal(t, "....................", pattern(t, refuse.On(embedded.PollMessages, create)))
	require.Equal(t, "..xxx...............", pattern(t, refuse.On(embedded.Ping).Skip(2).Times(3)))
	even := refuse.When(func(r iggytest.Request) bool { return r.Number%2 == 0 })
	require.Equal(t, ".x.x.x.x.x.x.x.x.x.x", pattern(t, even))
	require.Equal(t, "...x...x...x...x...x", pattern(t, even.When(func(r iggytest.Request) bool { return r.Number%4 == 0 })))
	require.Equal(t, ".x.x.x.x.x.x.x.x.x.x", pattern(t, even), "a fault is a value")
	chance := pattern(t, refuse.Chance(0.5, 7))
	require.Equal(t, chance, pattern(t, refuse.Chance(0.5, 7)))
	require.NotEqual(t, chance, pattern(t, refuse.Chance(0.5, 8)))
	require.Contains(t, chance, "x")
	require.Contains(t, chance, ".")
}
