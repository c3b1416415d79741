package insist_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/insist"
)

func TestItTriesUntilItHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		require.NoError(t, insist.On(t.Context(), zap.NewNop(), "this", func(context.Context) error {
			if calls++; calls < 50 {
				return errors.New("not yet")
			}
			return nil
		}))
		require.Equal(t, 50, calls)
	})
}

func TestItEndsWithItsContext(t *testing.T) {
	t.Parallel()
	stopping := errors.New("stopping")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopping) })
		begin := time.Now()
		err := insist.On(ctx, zap.NewNop(), "this", func(context.Context) error { return errors.New("never") })
		require.ErrorIs(t, err, stopping)
		require.Equal(t, time.Minute, time.Since(begin))

		require.ErrorIs(t, insist.On(ctx, zap.NewNop(), "this", func(context.Context) error { panic("called") }), stopping)
	})
}
