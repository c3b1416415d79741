package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/retry"
)

func TestDoRetriesUntilSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		require.NoError(t, retry.Do(t.Context(), zap.NewNop(), "this", func(context.Context) error {
			if calls++; calls < 50 {
				return errors.New("unavailable")
			}
			return nil
		}))
		require.Equal(t, 50, calls)
	})
}

func TestDoReturnsWhenContextEnds(t *testing.T) {
	t.Parallel()
	stopping := errors.New("stopping")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopping) })
		begin := time.Now()
		err := retry.Do(ctx, zap.NewNop(), "this", func(context.Context) error { return errors.New("unavailable") })
		require.ErrorIs(t, err, stopping)
		require.Equal(t, time.Minute, time.Since(begin))

		require.ErrorIs(t, retry.Do(ctx, zap.NewNop(), "this", func(context.Context) error { panic("called") }), stopping)
	})
}
