package iggytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// TestFaultOrder expects that all faults that let a request pass apply to it, and the first of the
// others.
func TestFaultOrder(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Address())
	var done []iggytest.Request
	seen := proxy.Inject(iggytest.Observe())
	first := proxy.Inject(iggytest.Answer(embedded.StatusIOError).Times(1))
	second := proxy.Inject(iggytest.Answer(embedded.StatusNotOwner))
	proxy.Inject(iggytest.Do(func(r iggytest.Request) { done = append(done, r) }).On(create))
	conn := dial(t, proxy.Address())
	require.Equal(t, embedded.StatusIOError, conn.status(t, create, name("stream")))
	require.Equal(t, embedded.StatusNotOwner, conn.status(t, embedded.Ping, nil))
	second.Remove()
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))
	require.Equal(t, []int{3, 1, 1}, []int{seen.Count(), first.Count(), second.Count()})
	require.Equal(t, []iggytest.Request{{Conn: 1, Number: 1, Command: create, Body: name("stream")}}, done)
}
