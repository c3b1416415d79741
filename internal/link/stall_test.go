package link_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/link"
)

func TestRequestEndsWithItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, stop, _ := link.WithRequestTimeout(t.Context(), 5*time.Second)
		defer stop()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), link.ErrStalled)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

// The timer of a process that was suspended expires late, when the process goes on.
func TestSuspendedProcessReadsItsAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop, expired := link.WithRequestTimeout(t.Context(), 5*time.Second)
		defer stop()
		time.Sleep(4 * time.Second)
		resumed := time.Now()
		expired(resumed.Add(time.Hour))
		require.NoError(t, ctx.Err(), "the answer may be there")
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), link.ErrStalled)
		require.Equal(t, link.ResumeGrace, time.Since(resumed), "once")
	})
}

func TestRequestTimeoutEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop, expired := link.WithRequestTimeout(t.Context(), time.Second)
		stop()
		require.Error(t, ctx.Err())
		expired(time.Now().Add(time.Hour)) // it was on its way
		time.Sleep(time.Minute)
		require.ErrorIs(t, context.Cause(ctx), context.Canceled)
	})
}
