package fxiggy

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// runtimeParams are the dependencies of newRuntime. The application provides those that are
// optional.
type runtimeParams struct {
	fx.In

	Lifecycle  fx.Lifecycle
	Shutdowner fx.Shutdowner
	Config     config.Config
	Loaded     *loaded
	Registry   *health.Registry
	// Logger is the parent of all loggers of the library.
	Logger *zap.Logger `optional:"true"`
	// Tracers turns tracing on.
	Tracers trace.TracerProvider `optional:"true"`
	// Meters turns metrics on.
	Meters metric.MeterProvider `optional:"true"`
}

// runtime is shared by the components of all clusters.
type runtime struct {
	lifecycle  fx.Lifecycle
	shutdowner fx.Shutdowner
	cfg        config.Config
	sources    config.Sources
	registry   *health.Registry
	log        *zap.Logger
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	failOnce   sync.Once
	mark       *startMark
	stopping   atomic.Bool // a hook of this package stops

	producerOptions map[string][]producer.Option // by cluster

	// They are added while the application is built, by one goroutine.
	workloads []*workload // in the order in which they start
	producers []*startedProducer
	clusters  []*cluster
}

func newRuntime(p runtimeParams, mark *startMark, all declarations, graph fx.DotGraph) (*runtime, error) {
	var sinks []sinkKey
	producers := map[string][]producer.Option{}
	for _, d := range all.inOrder() {
		sinks = append(sinks, d.sinks...)
		producers[d.cluster] = append(producers[d.cluster], d.producer...)
	}
	if err := checkSinks(graph, sinks); err != nil {
		return nil, err
	}
	rt := &runtime{
		lifecycle: p.Lifecycle, shutdowner: p.Shutdowner, cfg: p.Config, sources: p.Loaded.sources, registry: p.Registry,
		log: p.Logger, tracers: p.Tracers, meters: p.Meters, mark: mark, producerOptions: producers,
	}
	if rt.log == nil {
		rt.log = zap.NewNop()
	}
	rt.lifecycle.Append(fx.Hook{OnStop: rt.stopRest})
	return rt, nil
}

// fail logs a fatal error and shuts the application down, once.
func (rt *runtime) fail(what string, err error) {
	rt.failOnce.Do(func() {
		rt.log.Named("fxiggy").Error(what+" failed, the application shuts down", zap.Error(err))
		if err := rt.shutdowner.Shutdown(fx.ExitCode(1)); err != nil {
			rt.log.Named("fxiggy").Error("the application could not be shut down", zap.Error(err))
		}
	})
}
