package fxiggy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
)

// Params is what Module takes from the application. What is optional may be
// missing.
type Params struct {
	fx.In

	Lifecycle  fx.Lifecycle
	Shutdowner fx.Shutdowner
	// Config comes from Module itself.
	Config config.Config
	// Registry comes from Module itself.
	Registry *health.Registry
	// Logger gets all that the library logs, under names of its own.
	Logger *zap.Logger `optional:"true"`
	// Tracers turns on tracing.
	Tracers trace.TracerProvider `optional:"true"`
	// Meters turns on metrics.
	Meters metric.MeterProvider `optional:"true"`
}

// runtime is what the components of all clusters share.
type runtime struct {
	lifecycle  fx.Lifecycle
	shutdowner fx.Shutdowner
	cfg        config.Config
	registry   *health.Registry
	log        *zap.Logger
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	fatal      sync.Once
	started    atomic.Bool // the application has begun to start: hooks that are added now never run

	mu       sync.Mutex
	drains   []*drain
	draining bool
}

func newRuntime(p Params) *runtime {
	rt := &runtime{
		lifecycle: p.Lifecycle, shutdowner: p.Shutdowner, cfg: p.Config, registry: p.Registry,
		log: p.Logger, tracers: p.Tracers, meters: p.Meters,
	}
	if rt.log == nil {
		rt.log = zap.NewNop()
	}
	rt.lifecycle.Append(fx.Hook{OnStart: func(context.Context) error {
		rt.started.Store(true)
		return nil
	}})
	return rt
}

// fail ends the application because of a fault that nothing can mend, once.
func (rt *runtime) fail(what string, err error) {
	rt.fatal.Do(func() {
		rt.log.Named("fxiggy").Error(what+" failed, the application shuts down", zap.Error(err))
		if err := rt.shutdowner.Shutdown(fx.ExitCode(1)); err != nil {
			rt.log.Named("fxiggy").Error("the application could not be shut down", zap.Error(err))
		}
	})
}

// component is what has a life.
type component interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// run ties a component to the application's life.
func (rt *runtime) run(c component) {
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			ctx, cancel := leaving(ctx, startReserve)
			defer cancel()
			return c.Start(ctx)
		},
		OnStop: func(ctx context.Context) error {
			rt.registry.Drain()
			ctx, cancel := leaving(ctx, closeReserve)
			defer cancel()
			return c.Stop(ctx)
		},
	})
}

// drain is a consumer's stop.
type drain struct {
	stop    func(ctx context.Context) error
	started bool
	done    chan struct{}
	err     error
}

// consume ties a consumer to the application's life. When the first consumer is
// to stop, all do: each finishes its work at its own pace and not after that of
// the others, so that they need the time of the slowest and not of all together.
func (rt *runtime) consume(c component) {
	d := &drain{stop: c.Stop, done: make(chan struct{})}
	rt.mu.Lock()
	rt.drains = append(rt.drains, d)
	rt.mu.Unlock()
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			ctx, cancel := leaving(ctx, startReserve)
			defer cancel()
			if err := c.Start(ctx); err != nil {
				return err
			}
			rt.mu.Lock()
			defer rt.mu.Unlock()
			d.started = true
			return nil
		},
		OnStop: func(ctx context.Context) error {
			rt.drain(ctx)
			<-d.done
			return d.err
		},
	})
}

// drain begins to stop all consumers that run.
func (rt *runtime) drain(ctx context.Context) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.draining {
		return
	}
	rt.draining = true
	rt.registry.Drain()
	for _, d := range rt.drains {
		if !d.started {
			continue
		}
		go func() {
			defer close(d.done)
			ctx, cancel := leaving(ctx, drainReserve)
			defer cancel()
			d.err = d.stop(ctx)
		}()
	}
}

// reserve is the time that a hook leaves for what comes after it: a share of
// what there is, and no more than that needs.
type reserve struct {
	share float64
	most  time.Duration
}

var (
	// startReserve lets Fx stop what was started when a start takes too long: once
	// Fx's own limit is over, it runs no hook any more.
	startReserve = reserve{0.2, 2 * time.Second}
	// drainReserve is for the producer's flush and the connections after the consumers.
	drainReserve = reserve{0.35, 6 * time.Second}
	// closeReserve is for the hooks of the application that stop after ours.
	closeReserve = reserve{0.2, time.Second}
)

// leaving ends that much earlier than ctx; a context without a deadline stays as it is.
func leaving(ctx context.Context, r reserve) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(time.Duration(r.share*float64(left)), r.most)))
}
