package fxiggy_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// late is work that the application gives to the library after it was built.
type late struct {
	consumer   *bytesConsumer
	background *fxiggy.Background
	values     chan string
	setErr     error
}

func (l *late) handle(context.Context) error {
	l.setErr = l.consumer.Handle(func(_ context.Context, m *bytesMessage) error {
		l.values <- string(m.Value)
		return nil
	})
	return nil
}

func (l *late) handleBatches(context.Context) error {
	l.setErr = l.consumer.HandleBatch(func(_ context.Context, batch []*bytesMessage) error {
		for _, m := range batch {
			l.values <- string(m.Value)
		}
		return nil
	})
	return nil
}

func (l *late) addLoop(context.Context) error {
	l.setErr = l.background.Go("late", func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	return nil
}

// lateOrders are the orders of the module, the consumer and the hook of an application in which
// something is done late. before tells that the hook runs before those of the module.
var lateOrders = map[string]struct {
	before  bool
	options func(module, consumer, hook fx.Option) fx.Option
}{
	"hook after the consumer": {options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(module, consumer, hook)
	}},
	"hook before the consumer": {options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(module, hook, consumer)
	}},
	"everything before the module": {options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(hook, consumer, module)
	}},
	"hook in a module after that of the library": {options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(module, fx.Module("app", hook), consumer)
	}},
	"all in modules, consumer first": {options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(fx.Module("uses", consumer), fx.Module("app", hook), module)
	}},
	"hook in a module before that of the library": {before: true, options: func(module, consumer, hook fx.Option) fx.Option {
		return fx.Options(fx.Module("app", hook), module, consumer)
	}},
}

// onHook is an option that calls f in a hook.
func onHook(f func(context.Context) error) fx.Option {
	return fx.Invoke(func(lc fx.Lifecycle) { lc.Append(fx.Hook{OnStart: f}) })
}

// Fx ignores hooks that are added while it runs hooks, and does not say so.
func TestAHandlerThatIsSetLateWorks(t *testing.T) {
	t.Parallel()
	srv := server(t)
	for name, order := range lateOrders {
		if order.before {
			continue
		}
		for kind, set := range map[string]func(l *late, ctx context.Context) error{"handler": (*late).handle, "batch handler": (*late).handleBatches} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				core, logs := observer.New(zapcore.WarnLevel)
				messages, l := newTopic(t, srv), &late{values: make(chan string, 1)}
				var pub *bytesPublisher
				app := fx.New(quiet, configured(yaml(srv)), fx.Supply(zap.New(core)),
					fxiggy.Consume(messages, "in"), fxiggy.Publish(messages), fx.Populate(&pub),
					order.options(fxiggy.Module, fx.Populate(&l.consumer), onHook(func(ctx context.Context) error { return set(l, ctx) })))
				require.NoError(t, app.Err())
				require.NoError(t, app.Start(t.Context()))
				require.NoError(t, l.setErr)
				require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
				require.Equal(t, "a", receive(t, l.values))
				require.NoError(t, stop(app))
				require.Equal(t, 1, logs.FilterMessage("handler set after the start began, what was built last may stop before it").Len())
			})
		}
	}
	t.Run("after the start", func(t *testing.T) {
		t.Parallel()
		messages, l := newTopic(t, srv), &late{values: make(chan string, 1)}
		var pub *bytesPublisher
		start(t, configured(yaml(srv)), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages), fx.Populate(&pub, &l.consumer))
		require.NoError(t, l.handle(t.Context()))
		require.NoError(t, l.setErr)
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, l.values))
	})
}

func TestALoopThatIsAddedLateIsAnError(t *testing.T) {
	t.Parallel()
	for name, order := range lateOrders {
		if order.before {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &late{}
			app := fx.New(quiet, configured(offline), order.options(fxiggy.Module, fx.Populate(&l.background), onHook(l.addLoop)))
			require.NoError(t, app.Err())
			require.NoError(t, app.Start(t.Context()))
			require.ErrorContains(t, l.setErr, "background late: the application has started")
			require.NoError(t, stop(app))
		})
	}
}

// What is set before the first hook of the library looks as if it were set during the construction,
// but Fx does not start it.
func TestWhatIsNeverStartedFailsItsHealthCheck(t *testing.T) {
	t.Parallel()
	for name, order := range lateOrders {
		if !order.before {
			continue
		}
		for component, set := range map[string]func(l *late, ctx context.Context) error{"consumer.in": (*late).handle, "background.late": (*late).addLoop} {
			t.Run(name+", "+component, func(t *testing.T) {
				t.Parallel()
				l := &late{}
				var registry *health.Registry
				app := fx.New(quiet, configured("iggy: {client_id: iggy, client_secret: iggy, start: background}"), fxiggy.Consume(topic.New("s", "t", topic.Bytes()), "in"),
					order.options(fxiggy.Module, fx.Populate(&l.consumer, &l.background, &registry), onHook(func(ctx context.Context) error { return set(l, ctx) })))
				require.NoError(t, app.Err())
				require.NoError(t, app.Start(t.Context()))
				require.NoError(t, l.setErr)
				report := registry.Check(t.Context())
				require.Equal(t, health.Down, report.Components[component].Status)
				require.Contains(t, report.Components[component].LastError, "before those of fxiggy.Core never starts)")
				require.NoError(t, stop(app))
			})
		}
	}
}
