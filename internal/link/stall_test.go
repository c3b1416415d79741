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
		ctx, stop := link.WithRequestTimeout(t.Context(), 5*time.Second)
		defer stop()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), link.ErrStalled)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestRequestTimeoutEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := link.WithRequestTimeout(t.Context(), 5*time.Second)
		time.Sleep(3 * time.Second)
		require.NoError(t, ctx.Err())
		stop()
		require.Error(t, ctx.Err())
		time.Sleep(time.Minute)
		require.ErrorIs(t, context.Cause(ctx), context.Canceled)
	})
}
