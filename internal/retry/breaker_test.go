package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

func TestBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBreaker(config.Breaker{Failures: 2, Delay: time.Minute})
		began := time.Now()
		for range 2 {
			require.NoError(t, b.Wait(t.Context()))
			require.True(t, b.Closed())
			b.Failure()
		}
		require.False(t, b.Closed())
		require.NoError(t, b.Wait(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))

		b.Failure()
		require.NoError(t, b.Wait(t.Context()), "one call is let through to try")
		require.Equal(t, 2*time.Minute, time.Since(began))
		require.False(t, b.Closed())
		b.Success()
		require.True(t, b.Closed())
		require.NoError(t, b.Wait(t.Context()))
		require.Equal(t, 2*time.Minute, time.Since(began))
	})
}

func TestBreakerWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBreaker(config.Breaker{Failures: 1, Delay: time.Hour})
		b.Failure()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStopped)
		defer cancel()
		require.Equal(t, errStopped, b.Wait(ctx))
	})
}

func TestBreakerThatIsOff(t *testing.T) {
	t.Parallel()
	b := retry.NewBreaker(config.Breaker{})
	for range 10 {
		require.NoError(t, b.Wait(t.Context()))
		b.Failure()
	}
	require.True(t, b.Closed())
	b.Success()
	require.True(t, b.Closed())
}
