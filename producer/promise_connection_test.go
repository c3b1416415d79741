package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: an idle producer notices a half-open connection, too.
func TestPromiseIdleProducerNoticesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *site) {
		s.cluster.RequestTimeout, s.cluster.HeartbeatInterval = 300*time.Millisecond, 100*time.Millisecond
		logins := s.server.Inject(iggytest.Observe().On(embedded.LoginUser).AfterEffect())
		p := s.producer(t, patient())
		s.server.Inject(iggytest.BlackHole().On(embedded.Ping).Times(1)).Wait(1)
		logins.Wait(2)
		require.NoError(t, p.Send(t.Context(), message("", "x")))
		require.EqualValues(t, 1, p.Status().Connections[0].Reconnects)
	})
}

// Promise 9: a context that ends frees its caller at once, whatever the server does.
func TestPromiseContextFreesItsCaller(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *site) {
		s.cluster.RequestTimeout = time.Hour
		cfg := patient()
		cfg.DrainTimeout = 50 * time.Millisecond
		p := s.producer(t, cfg)
		require.NoError(t, p.Send(t.Context(), message("", "before")))
		s.server.Inject(iggytest.Silence())
		free := func(what string, call func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			require.ErrorIs(t, call(ctx), context.DeadlineExceeded, what)
			require.Less(t, time.Since(began), 5*time.Second, what)
		}
		free("Send", func(ctx context.Context) error { return p.Send(ctx, message("", "x")) })
		free("SendAll", func(ctx context.Context) error { return p.SendAll(ctx, message("", "x"), message("a", "y")) })
		free("Send to a topic that is not known yet", func(ctx context.Context) error {
			r := message("", "x")
			r.Topic = "other"
			return p.Send(ctx, r)
		})
		free("Flush", p.Flush)
		free("Check", p.Check)
		free("Stop", p.Stop)
	})
}
