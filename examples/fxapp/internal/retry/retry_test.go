package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

func TestDoReturnsPermanentErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, refused := 0, errors.New("refused")
		err := retry.Do(t.Context(), zap.NewNop(), "this", func(context.Context) error {
			if calls++; calls < 3 {
				return errors.New("unavailable")
			}
			return fmt.Errorf("task: %w", retry.Permanent(refused))
		})
		require.ErrorIs(t, err, refused)
		require.Equal(t, 3, calls)
	})
	require.NoError(t, retry.Permanent(nil))
}

// An outage of an hour is logged when it begins, once a minute, and when it ends.
func TestDoLogsOutages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zap.DebugLevel)
		begin := time.Now()
		require.NoError(t, retry.Do(t.Context(), zap.New(core), "this", func(context.Context) error {
			if time.Since(begin) < time.Hour {
				return errors.New("unavailable")
			}
			return nil
		}))
		warnings := logged.FilterMessage("operation failed, retrying").Len()
		require.Greater(t, warnings, 50)
		require.LessOrEqual(t, warnings, 61)
		require.Equal(t, 1, logged.FilterMessage("operation succeeded after failures").Len())
	})
}
