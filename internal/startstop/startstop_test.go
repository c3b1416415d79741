package startstop_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errStart = errors.New("start failed")
	errStop  = errors.New("stop failed")
)

// component counts the calls of its functions.
type component struct {
	*startstop.Lifecycle
	starts, stops atomic.Int32
	startedAtStop bool
	stateAtStop   startstop.State
	ctxAtStop     context.Context
	endedAtStop   bool
	start         func(ctx context.Context) error
	stop          func(ctx context.Context) error
}

func newComponent() *component {
	c := &component{
		start: func(context.Context) error { return nil },
		stop:  func(context.Context) error { return nil },
	}
	c.Lifecycle = startstop.New(
		func(ctx context.Context) error {
			c.starts.Add(1)
			return c.start(ctx)
		},
		func(ctx context.Context, started bool) error {
			c.stops.Add(1)
			c.startedAtStop, c.stateAtStop, c.ctxAtStop, c.endedAtStop = started, c.State(), ctx, c.Context().Err() != nil
			return c.stop(ctx)
		},
	)
	return c
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	c := newComponent()
	require.Equal(t, startstop.StateNew, c.State())
	c.start = func(context.Context) error {
		require.Equal(t, startstop.StateStarting, c.State())
		return nil
	}
	require.NoError(t, c.Start(t.Context()))
	require.NoError(t, c.Start(t.Context()), "twice")
	require.Equal(t, startstop.StateStarted, c.State())
	require.NoError(t, c.Context().Err())

	c.stop = func(context.Context) error { return errStop }
	require.ErrorIs(t, c.Stop(t.Context()), errStop)
	require.ErrorIs(t, c.Stop(t.Context()), errStop, "twice")
	require.True(t, c.startedAtStop)
	require.True(t, c.endedAtStop)
	require.Equal(t, startstop.StateStopping, c.stateAtStop)
	require.Equal(t, startstop.StateStopped, c.State())
	require.ErrorIs(t, context.Cause(c.Context()), iggyerr.ErrClosed)
	require.ErrorIs(t, c.Start(t.Context()), iggyerr.ErrClosed)
	require.EqualValues(t, 1, c.starts.Load())
	require.EqualValues(t, 1, c.stops.Load())
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	c := newComponent()
	require.NoError(t, c.Stop(t.Context()))
	require.False(t, c.startedAtStop)
	require.ErrorIs(t, c.Start(t.Context()), iggyerr.ErrClosed)
	require.Zero(t, c.starts.Load())
	require.EqualValues(t, 1, c.stops.Load())
}

func TestFailedStartStops(t *testing.T) {
	t.Parallel()
	c := newComponent()
	ctx, cancel := context.WithCancel(t.Context())
	c.start = func(context.Context) error {
		cancel()
		return errStart
	}
	c.stop = func(context.Context) error { return errStop }
	err := c.Start(ctx)
	require.ErrorIs(t, err, errStart)
	require.ErrorIs(t, err, errStop)
	require.NotErrorIs(t, err, iggyerr.ErrClosed)
	require.False(t, c.startedAtStop)
	require.True(t, c.endedAtStop)
	require.NoError(t, c.ctxAtStop.Err(), "the end of the start does not hinder the release")
	require.NoError(t, c.Stop(t.Context()), "Start has returned the errors")
	require.ErrorIs(t, c.Start(t.Context()), iggyerr.ErrClosed)
	require.EqualValues(t, 1, c.stops.Load())
}

func TestStopEndsStart(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{"that returns an error": errStart, "that succeeds": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newComponent()
				c.start = func(ctx context.Context) error {
					<-ctx.Done()
					require.ErrorIs(t, context.Cause(ctx), iggyerr.ErrClosed)
					require.Zero(t, c.stops.Load(), "stop waits for start")
					return result
				}
				c.stop = func(context.Context) error { return errStop }
				var group sync.WaitGroup
				starts, stops := make([]error, 3), make([]error, 3)
				for i := range starts {
					group.Go(func() { starts[i] = c.Start(t.Context()) })
				}
				synctest.Wait()
				for i := range stops {
					group.Go(func() { stops[i] = c.Stop(t.Context()) })
				}
				group.Wait()
				for i := range starts {
					require.ErrorIs(t, starts[i], iggyerr.ErrClosed)
					require.ErrorIs(t, stops[i], errStop)
				}
				require.Equal(t, result == nil, c.startedAtStop)
				require.EqualValues(t, 1, c.starts.Load())
				require.EqualValues(t, 1, c.stops.Load())
			})
		})
	}
}

func TestConcurrentStopsWaitForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newComponent()
		c.stop = func(context.Context) error {
			time.Sleep(time.Minute)
			return errStop
		}
		require.NoError(t, c.Start(t.Context()))
		began := time.Now()
		go func() { _ = c.Stop(context.Background()) }()
		synctest.Wait()

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Stop(short), context.DeadlineExceeded)
		require.ErrorIs(t, c.Start(t.Context()), iggyerr.ErrClosed)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, c.Stop(t.Context()), errStop)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// A start that ignores its context is stopped when it returns, though nobody waits any more.
func TestStopThatDoesNotWaitForStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newComponent()
		c.start = func(context.Context) error {
			time.Sleep(time.Minute)
			return nil
		}
		go func() { _ = c.Start(context.Background()) }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Stop(short), context.DeadlineExceeded)
		require.Zero(t, c.stops.Load())
		require.NoError(t, c.Stop(t.Context()))
		require.True(t, c.startedAtStop)
		require.Equal(t, startstop.StateStopped, c.State())
	})
}

func TestSecondStartWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newComponent()
		c.start = func(context.Context) error {
			time.Sleep(time.Minute)
			return nil
		}
		began := time.Now()
		go func() { _ = c.Start(context.Background()) }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Start(short), context.DeadlineExceeded)
		require.NoError(t, c.Start(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, c.Stop(t.Context()))
	})
}

func TestNilContextIsAnError(t *testing.T) {
	t.Parallel()
	c := newComponent()
	var none context.Context
	require.Error(t, c.Start(none))
	require.Error(t, c.Stop(none))
	require.Equal(t, startstop.StateNew, c.State())
	require.NoError(t, c.Stop(t.Context()))
}

// Whatever is called at the same time, start and stop are called once and one after the other.
func TestConcurrentStartsAndStops(t *testing.T) {
	t.Parallel()
	for range 2000 {
		c := newComponent()
		var running atomic.Int32
		fails, waits := rand.IntN(3) == 0, rand.IntN(3) == 0
		c.start = func(ctx context.Context) error {
			require.EqualValues(t, 1, running.Add(1))
			defer running.Add(-1)
			if waits {
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond):
				}
			}
			if fails {
				return errStart
			}
			return nil
		}
		c.stop = func(context.Context) error {
			require.EqualValues(t, 1, running.Add(1))
			defer running.Add(-1)
			return errStop
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if err := c.Start(t.Context()); err == nil {
					require.GreaterOrEqual(t, c.State(), startstop.StateStarted)
				}
			})
			group.Go(func() {
				err := c.Stop(t.Context())
				require.Equal(t, startstop.StateStopped, c.State())
				require.Error(t, c.Context().Err())
				if err != nil {
					require.Equal(t, errStop, err)
				}
			})
		}
		group.Wait()
		require.LessOrEqual(t, c.starts.Load(), int32(1))
		require.EqualValues(t, 1, c.stops.Load())
	}
}
