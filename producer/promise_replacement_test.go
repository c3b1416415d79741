package producer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: whatever becomes of a connection, the producer notices within the request timeout,
// replaces it, and what was on its way is confirmed after all.
func TestPromiseProducerReplacesABadConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]iggytest.Fault{
		"cut":            iggytest.Cut(),
		"lost answer":    iggytest.Cut().AfterEffect(),
		"half a request": iggytest.HalfFrame(),
		"half an answer": iggytest.HalfFrame().AfterEffect(),
		"reset":          iggytest.Reset(),
		"stalled":        iggytest.Silence(),
		"half open":      iggytest.BlackHole(),
		"stale client":   iggytest.Answer(30),
		"logged out":     iggytest.Answer(40),
		"internal error": iggytest.Answer(13000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 4, func(t *testing.T, s *site) {
				s.cluster.RequestTimeout = 300 * time.Millisecond
				for _, c := range []embedded.Command{embedded.SendMessages, embedded.GetTopic} {
					s.server.Inject(fault.On(c).Times(2))
				}
				p := s.producer(t, patient())
				done := make(chan error, 100)
				for i := range 100 {
					go func() { done <- p.Send(t.Context(), message(fmt.Sprint(i%10), fmt.Sprint(i))) }()
				}
				for range 100 {
					select {
					case err := <-done:
						require.NoError(t, err)
					case <-time.After(patience):
						require.FailNow(t, "a message without an outcome")
					}
				}
				require.NoError(t, p.Check(t.Context()))
			})
		})
	}
}
