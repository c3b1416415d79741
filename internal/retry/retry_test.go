package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errTemporary = errors.New("temporary")
	errPermanent = errors.New("permanent")
	errStopped   = errors.New("stopped")
)

var backoff = config.Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 300 * time.Millisecond}

func TestDoRetriesWithBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type event struct {
			attempt int
			after   time.Duration
		}
		var calls []event
		began := time.Now()
		policy := retry.New(backoff)
		require.NoError(t, policy.Do(t.Context(), func(_ context.Context, attempt int) error {
			calls = append(calls, event{attempt, time.Since(began)})
			if attempt < 5 {
				return errTemporary
			}
			return nil
		}))
		const ms = time.Millisecond
		require.Equal(t, []event{{1, 0}, {2, 100 * ms}, {3, 300 * ms}, {4, 600 * ms}, {5, 900 * ms}}, calls)
	})
}

func TestIfEndsTheRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := retry.New(backoff, retry.If(func(err error) bool { return errors.Is(err, errTemporary) }))
		calls := 0
		require.Equal(t, errPermanent, policy.Do(t.Context(), func(_ context.Context, attempt int) error {
			calls++
			if attempt == 1 {
				return errTemporary
			}
			return errPermanent
		}))
		require.Equal(t, 2, calls)
	})
}

// failingOnce returns call, which fails when it is called for the first time.
func failingOnce(call func(ctx context.Context) error) func(ctx context.Context) error {
	failed := false
	return func(ctx context.Context) error {
		if !failed {
			failed = true
			return errTemporary
		}
		return call(ctx)
	}
}

func TestEndOfTheContext(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call func(ctx context.Context) error // the context ends after a second
		is   []error                         // none: success
	}{
		"during a backoff": {func(context.Context) error { return errTemporary }, []error{errStopped, errTemporary}},
		"during a call that succeeds": {func(context.Context) error {
			time.Sleep(2 * time.Second)
			return nil
		}, nil},
		"during a call that fails": {func(context.Context) error {
			time.Sleep(2 * time.Second)
			return errPermanent
		}, []error{errStopped, errPermanent}},
		"as the call's error": {func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, []error{errStopped}},
		"during a call after one that failed": {failingOnce(func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}), []error{errStopped, errTemporary}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(time.Second, func() { cancel(errStopped) })
				defer timer.Stop()
				err := retry.New(backoff).Do(ctx, func(ctx context.Context, _ int) error { return tt.call(ctx) })
				if tt.is == nil {
					require.NoError(t, err)
				}
				for _, target := range tt.is {
					require.ErrorIs(t, err, target)
				}
			})
		})
	}
}

func TestEndedContextMakesNoCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	require.Equal(t, errStopped, retry.New(backoff).Do(ctx, func(context.Context, int) error {
		t.Error("called")
		return nil
	}))
}

func TestBackoffIsNeverZero(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]config.Backoff{
		"none":                   {},
		"maximum below the base": {BaseBackoff: time.Millisecond, MaxBackoff: time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				require.NoError(t, retry.New(b).Do(t.Context(), func(_ context.Context, attempt int) error {
					if attempt < 4 {
						return errTemporary
					}
					return nil
				}))
				require.Equal(t, 3*time.Millisecond, time.Since(began))
				require.Equal(t, time.Millisecond, retry.Delay(b, 3))
			})
		})
	}
}

func TestDelayIsThatOfThePolicy(t *testing.T) {
	t.Parallel()
	for attempt, want := range []int64{100, 100, 200, 300, 300} {
		require.Equal(t, want, retry.Delay(backoff, attempt).Milliseconds())
	}
	spread := backoff
	spread.Jitter = 0.5
	for range 1000 {
		d := retry.Delay(spread, 2)
		require.GreaterOrEqual(t, d, 100*time.Millisecond)
		require.LessOrEqual(t, d, 300*time.Millisecond)
	}
}
