package health_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
)

func TestNewRegistryRejectsBadConfiguration(t *testing.T) {
	t.Parallel()
	_, err := health.NewRegistry(config.Health{})
	require.EqualError(t, err, "health: health.timeout: must be more than 0")
}

func TestRegister(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	require.NoError(t, r.Register(&component{name: "a"}))
	require.EqualError(t, r.Register(&component{name: "b"}, health.New("a", nil)),
		`health: two checkers are named "a": *health_test.component and health.function`)
	require.EqualError(t, r.Register(&component{name: "c"}, &component{name: "c"}),
		`health: two checkers are named "c": *health_test.component and *health_test.component`)
	require.EqualError(t, r.Register(&component{}), "health: a *health_test.component has no name")
	require.Len(t, r.Check(t.Context()).Components, 1, "all of them, or none")

	require.NoError(t, r.Stop(t.Context()))
	require.ErrorIs(t, r.Register(&component{name: "d"}), health.ErrStopped)
}

func TestCheckWithoutComponentsIsUp(t *testing.T) {
	t.Parallel()
	require.Equal(t, health.Report{Status: health.Up, Components: map[string]health.Component{}}, newRegistry(t).Check(t.Context()))
}

func TestDrainAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		c := &component{name: "c", result: health.Result{Status: health.Up}}
		require.NoError(t, r.Register(c))
		r.Drain()
		report := r.Check(t.Context())
		require.Equal(t, health.Down, report.Status)
		require.True(t, report.Draining)
		require.Equal(t, health.Up, report.Components["c"].Status)

		require.NoError(t, r.Stop(t.Context()))
		require.NoError(t, r.Stop(t.Context()))
		time.Sleep(time.Minute)
		require.Equal(t, health.Down, r.Check(t.Context()).Status)
		require.Equal(t, 1, c.checks, "nothing runs after Stop")
	})
}

func TestStopInterruptsChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		require.NoError(t, r.Register(health.Ping("slow", func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})))
		done := make(chan health.Report)
		go func() { done <- r.Check(t.Context()) }()
		synctest.Wait()
		require.NoError(t, r.Stop(t.Context()))
		require.Equal(t, health.ErrStopped.Error(), (<-done).Components["slow"].LastError)
	})
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r, err := health.NewRegistry(config.Health{Timeout: 10 * time.Second})
	require.NoError(t, err)
	require.NoError(t, r.Register(&component{name: "fixed", result: health.Result{Status: health.Up}}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				if err := r.Register(&component{name: fmt.Sprintf("%d-%d", i, j)}); err != nil {
					t.Error(err)
				}
				if r.Check(context.Background()).Components["fixed"].Status != health.Up {
					t.Error("fixed is not up")
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, r.Stop(t.Context()))
	require.Len(t, r.Check(t.Context()).Components, 401)
}

func TestNilContextsAndOptionsAreErrors(t *testing.T) {
	t.Parallel()
	_, err := health.NewRegistry(config.Default().Health, nil)
	require.ErrorContains(t, err, "option 1 of 1 is nil")
	r, err := health.NewRegistry(config.Default().Health)
	require.NoError(t, err)
	require.NoError(t, r.Register(health.Ping("p", func(ctx context.Context) error { return ctx.Err() })))
	var none context.Context
	require.Equal(t, health.Up, r.Check(none).Status)
	require.ErrorContains(t, r.Stop(none), "nil context")
	require.NoError(t, r.Stop(t.Context()))
}
