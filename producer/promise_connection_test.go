package producer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: an idle producer notices a half-open connection.
func TestPromiseIdleProducerNoticesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		s.cluster.RequestTimeout, s.cluster.HeartbeatInterval = 300*time.Millisecond, 100*time.Millisecond
		logins := s.server.Inject(iggytest.Observe().On(embedded.LoginUser).AfterEffect())
		p := s.producer(t, retryForever())
		s.server.Inject(iggytest.BlackHole().On(embedded.Ping).Times(1)).Wait(1)
		logins.Wait(2)
		require.NoError(t, errOf(p.Send(t.Context(), message("", "x"))))
		require.EqualValues(t, 1, p.Status().Connections[0].Reconnects)
	})
}

// Promise 9: a call returns when its context ends, whatever the server does.
func TestPromiseContextFreesItsCaller(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		s.cluster.RequestTimeout = time.Hour
		cfg := retryForever()
		cfg.DrainTimeout = 50 * time.Millisecond
		p := s.producer(t, cfg)
		require.NoError(t, errOf(p.Send(t.Context(), message("", "before"))))
		s.server.Inject(iggytest.Silence())
		free := func(what string, call func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, call(ctx), context.DeadlineExceeded, what)
			require.Less(t, time.Since(began), 5*time.Second, what)
		}
		free("Send", func(ctx context.Context) error { return errOf(p.Send(ctx, message("", "x"))) })
		free("SendAll", func(ctx context.Context) error { return p.SendAll(ctx, message("", "x"), message("a", "y")) })
		free("Send to a topic that is not known yet", func(ctx context.Context) error {
			r := message("", "x")
			r.Topic = "other"
			return errOf(p.Send(ctx, r))
		})
		free("Flush", p.Flush)
		free("Check", p.Check)
		free("Stop", p.Stop)
	})
}

// Promise 9: the producer notices a bad connection within the request timeout and replaces it. The
// messages in flight are confirmed all the same.
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
			overTransports(t, 4, func(t *testing.T, s *testServer) {
				s.cluster.RequestTimeout = 300 * time.Millisecond
				for _, c := range []embedded.Command{embedded.SendMessages, embedded.GetTopic} {
					s.server.Inject(fault.On(c).Times(2))
				}
				p := s.producer(t, retryForever())
				done := make(chan error, 100)
				for i := range 100 {
					go func() { done <- errOf(p.Send(t.Context(), message(fmt.Sprint(i%10), fmt.Sprint(i)))) }()
				}
				for range 100 {
					select {
					case err := <-done:
						require.NoError(t, err)
					case <-time.After(waitTimeout):
						require.FailNow(t, "a message without an outcome")
					}
				}
				require.NoError(t, p.Check(t.Context()))
			})
		})
	}
}
