package fxiggy_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func TestALoopOverMessages(t *testing.T) {
	t.Parallel()
	srv := server(t)
	seen := make(chan string)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(bg *fxiggy.Background, tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return bg.Go("tasks", func(ctx context.Context) error {
				for m, err := range tasks.Messages(ctx) {
					if err != nil {
						return err
					}
					seen <- m.Value.GetResourceId()
					m.Ack()
				}
				return nil
			})
		}))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	require.Equal(t, "a", receive(t, seen))
}

func TestAFatalFaultEndsTheApplicationOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func() error{
		"error": func() error { return errors.New("no more") },
		"panic": func() error { panic("no more") },
		// It once looked like one that is done.
		"end of the goroutine": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zapcore.ErrorLevel)
			var registry *health.Registry
			app := fx.New(quiet, fxiggy.Module, configured(offline), fx.Supply(zap.New(core)), fx.Populate(&registry),
				fx.Invoke(func(bg *fxiggy.Background) error {
					return errors.Join(
						bg.Go("one", func(context.Context) error { return fault() }),
						bg.Go("two", func(context.Context) error { return fault() }),
						bg.Go("three", func(ctx context.Context) error {
							<-ctx.Done()
							return context.Cause(ctx)
						}))
				}))
			require.NoError(t, app.Err())
			require.NoError(t, app.Start(t.Context()))
			require.Equal(t, 1, receive(t, app.Wait()).ExitCode)
			// The stop must not find one of them in the midst of its fault: that would be one while
			// stopping.
			require.Eventually(t, func() bool {
				report := registry.Check(t.Context())
				return report.Components["background.one"].Status == health.Down && report.Components["background.two"].Status == health.Down
			}, 30*time.Second, time.Millisecond)
			report := registry.Check(t.Context())
			require.Regexp(t, "no more|ended its goroutine", report.Components["background.one"].LastError)
			require.Equal(t, health.Down, report.Status)
			require.Equal(t, health.Up, report.Components["background.three"].Status)
			require.NoError(t, stop(app), "the fault was logged already")
			require.Len(t, logs.All(), 1, "once")
		})
	}
}

func TestAFaultWhileStoppingIsReturned(t *testing.T) {
	t.Parallel()
	broken := errors.New("could not flush")
	app := fx.New(quiet, fxiggy.Module, configured(offline), fx.Invoke(func(bg *fxiggy.Background) error {
		return bg.Go("flusher", func(ctx context.Context) error {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), iggyerr.ErrClosed) {
				return errors.New("another cause")
			}
			return broken
		})
	}))
	require.NoError(t, app.Start(t.Context()))
	require.ErrorIs(t, stop(app), broken)
}

func TestNamesOfLoopsAreUnique(t *testing.T) {
	t.Parallel()
	err := fx.New(quiet, fxiggy.Module, configured(offline), fx.Invoke(func(bg *fxiggy.Background) error {
		nothing := func(context.Context) error { return nil }
		return errors.Join(bg.Go("one", nothing), bg.Go("one", nothing))
	})).Err()
	require.ErrorContains(t, err, `"background.one"`)
}

// Fx would never start a loop that is added after the start, and its health check would pass.
func TestGoAfterTheStartIsAnError(t *testing.T) {
	t.Parallel()
	var bg *fxiggy.Background
	var registry *health.Registry
	app := fx.New(quiet, fxiggy.Module, configured(offline), fx.Populate(&bg, &registry))
	require.NoError(t, app.Start(t.Context()))
	require.ErrorContains(t, bg.Go("late", func(context.Context) error { return nil }), "background late: the application has started")
	require.NotContains(t, registry.Check(t.Context()).Components, "background.late")
	require.NoError(t, stop(app))
}
