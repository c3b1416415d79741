package health_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
)

func TestCheckFollowsComponent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		r := newRegistry(t, health.WithLogger(zap.New(core)))
		c := &component{name: "link", result: health.Result{Status: health.Up, Detail: map[string]int{"reconnects": 1}}}
		require.NoError(t, r.Register(c, health.Ping("other", func(context.Context) error { return nil })))
		start := time.Now()

		report := r.Check(t.Context())
		require.Equal(t, health.Up, report.Status)
		require.Equal(t, health.Component{Status: health.Up, Since: start, Checked: start, Detail: health.Detail(`{"reconnects":1}`)}, report.Components["link"])

		time.Sleep(time.Minute)
		c.result = health.Result{Status: health.Down, Err: errors.New("connection refused")}
		down := time.Now()
		report = r.Check(t.Context())
		require.Equal(t, health.Down, report.Status)
		require.Equal(t, health.Component{Status: health.Down, Since: down, Checked: down, LastError: "connection refused", LastErrorAt: down}, report.Components["link"])
		require.Equal(t, health.Up, report.Components["other"].Status)

		time.Sleep(time.Minute)
		c.result.Err = errors.New("no route")
		again := time.Now()
		require.Equal(t, health.Component{Status: health.Down, Since: down, Checked: again, LastError: "no route", LastErrorAt: again}, r.Check(t.Context()).Components["link"])

		time.Sleep(time.Minute)
		c.result = health.Result{Status: health.Up}
		up := time.Now()
		report = r.Check(t.Context())
		require.Equal(t, health.Up, report.Status)
		require.Equal(t, health.Component{Status: health.Up, Since: up, Checked: up, LastError: "no route", LastErrorAt: again}, report.Components["link"], "the last error stays")

		var lines []string
		for _, e := range logs.FilterField(zap.String("component", "link")).All() {
			lines = append(lines, e.Level.String()+" "+e.Message)
		}
		require.Equal(t, []string{"info up", "warn down", "info up"}, lines, "changes only")
		require.NoError(t, r.Stop(t.Context()))
	})
}

func TestCheckerMaySetSince(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := newRegistry(t)
	require.NoError(t, r.Register(&component{name: "link", result: health.Result{Status: health.Up, Since: since, Err: errors.New("an earlier one")}}))
	got := r.Check(t.Context()).Components["link"]
	require.Equal(t, since, got.Since)
	require.Equal(t, "an earlier one", got.LastError)
}

func TestUnknownStatusIsDown(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	require.NoError(t, r.Register(&component{name: "odd"}))
	require.Equal(t, health.Down, r.Check(t.Context()).Components["odd"].Status)
}

func TestResultsAreReusedForTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		c := &component{name: "c", result: health.Result{Status: health.Up}}
		require.NoError(t, r.Register(c))
		for range 5 {
			r.Check(t.Context())
		}
		require.Equal(t, 1, c.checks)
		time.Sleep(time.Second - 1)
		r.Check(t.Context())
		require.Equal(t, 1, c.checks)
		time.Sleep(time.Nanosecond)
		r.Check(t.Context())
		require.Equal(t, 2, c.checks)
	})
}

func TestIntervalZeroReusesNothing(t *testing.T) {
	t.Parallel()
	r, err := health.NewRegistry(config.Health{Timeout: time.Second})
	require.NoError(t, err)
	c := &component{name: "c"}
	require.NoError(t, r.Register(c))
	r.Check(t.Context())
	r.Check(t.Context())
	require.Equal(t, 2, c.checks)
}

func TestProbesShareACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, checks := newRegistry(t), 0
		require.NoError(t, r.Register(health.New("slow", func(context.Context) health.Result {
			checks++
			time.Sleep(time.Second)
			return health.Result{Status: health.Up}
		})))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if status := r.Check(t.Context()).Status; status != health.Up {
					t.Errorf("status %s", status)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, checks)
	})
}

func TestChecksRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, r.Register(health.New(name, func(context.Context) health.Result {
				time.Sleep(time.Second)
				return health.Result{Status: health.Up}
			})))
		}
		start := time.Now()
		require.Equal(t, health.Up, r.Check(t.Context()).Status)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestCheckEndsAtTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		require.NoError(t, r.Register(health.Ping("slow", func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})))
		start := time.Now()
		report := r.Check(t.Context())
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "no answer within 2s", report.Components["slow"].LastError)
		synctest.Wait()
		require.NoError(t, r.Stop(t.Context()))
	})
}

func TestStuckCheckIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, release, checks := newRegistry(t), make(chan struct{}), 0
		require.NoError(t, r.Register(health.New("stuck", func(context.Context) health.Result {
			checks++
			<-release
			return health.Result{Status: health.Up}
		}), &component{name: "fine", result: health.Result{Status: health.Up}}))
		start := time.Now()
		report := r.Check(t.Context())
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, health.Down, report.Components["stuck"].Status)
		require.Equal(t, "no answer within 2s", report.Components["stuck"].LastError)
		require.Equal(t, health.Up, report.Components["fine"].Status)

		time.Sleep(time.Hour)
		asked := time.Now()
		report = r.Check(t.Context())
		require.Zero(t, time.Since(asked))
		require.Equal(t, health.Down, report.Status)
		require.Equal(t, start.Add(2*time.Second), report.Components["stuck"].Since)
		synctest.Wait()
		require.Equal(t, 1, checks)

		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("out of time"))
		require.EqualError(t, r.Stop(ended), "health: checks that ignore their context are still running: [stuck]: out of time")

		close(release)
		require.NoError(t, r.Stop(t.Context()))
	})
}

func TestStuckCheckRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, release := newRegistry(t), make(chan struct{})
		require.NoError(t, r.Register(health.New("stuck", func(context.Context) health.Result {
			<-release
			return health.Result{Status: health.Up}
		})))
		require.Equal(t, health.Down, r.Check(t.Context()).Status)
		close(release)
		synctest.Wait()
		require.Equal(t, health.Down, r.Check(t.Context()).Status, "an answer that came too late counts for nothing")
		time.Sleep(time.Second)
		report := r.Check(t.Context())
		require.Equal(t, health.Up, report.Status)
		require.Equal(t, "no answer within 2s", report.Components["stuck"].LastError)
	})
}

func TestContextEndsCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, release := newRegistry(t), make(chan struct{})
		require.NoError(t, r.Register(health.New("slow", func(context.Context) health.Result {
			<-release
			return health.Result{Status: health.Up}
		})))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		report := r.Check(ctx)
		require.Equal(t, time.Millisecond, time.Since(start))
		require.Equal(t, map[string]health.Component{"slow": {Status: health.Down, LastError: "not checked yet"}}, report.Components)
		close(release)
		report = r.Check(t.Context())
		require.Equal(t, health.Up, report.Status)
		require.Empty(t, report.Components["slow"].LastError)
	})
}

func TestPanicIsDown(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	r := newRegistry(t, health.WithLogger(zap.New(core)))
	require.NoError(t, r.Register(health.New("wild", func(context.Context) health.Result { panic("boo") })))
	require.Equal(t, "panic: boo", r.Check(t.Context()).Components["wild"].LastError)
	require.Equal(t, 1, logs.Len())
	require.Contains(t, logs.All()[0].ContextMap()["stack"].(string), "TestPanicIsDown")
}

// textlessError is an error whose nil pointer panics in Error.
type textlessError struct{ text string }

func (e *textlessError) Error() string { return e.text }

func TestPanicOfErrorTextIsDown(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	var none *textlessError
	require.NoError(t, r.Register(&component{name: "c", result: health.Result{Status: health.Up, Err: none}}))
	c := r.Check(t.Context()).Components["c"]
	require.Equal(t, health.Down, c.Status)
	require.Contains(t, c.LastError, "panic: ")
}

// A check that ended its goroutine must not count as one in progress for ever.
func TestGoexitIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(t)
		ends := true
		require.NoError(t, r.Register(health.New("wild", func(context.Context) health.Result {
			if ends {
				runtime.Goexit()
			}
			return health.Result{Status: health.Up}
		})))
		require.Equal(t, "the check ended its goroutine", r.Check(t.Context()).Components["wild"].LastError)
		ends = false
		time.Sleep(time.Minute) // beyond the interval
		require.Equal(t, health.Up, r.Check(t.Context()).Components["wild"].Status)
		require.NoError(t, r.Stop(t.Context()))
	})
}

func TestDetailThatIsNotJSON(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	require.NoError(t, r.Register(&component{name: "c", result: health.Result{Status: health.Up, Detail: make(chan int)}}))
	require.Equal(t, `"can't be shown: json: unsupported type: chan int"`, string(r.Check(t.Context()).Components["c"].Detail))
}
