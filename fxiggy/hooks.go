package fxiggy

import (
	"context"
	"errors"
	"sync/atomic"

	"go.uber.org/fx"
	"go.uber.org/zap"
)

// component has a life cycle.
type component interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// startedProducer is a producer and what has been done with it.
type startedProducer struct {
	component
	started, stopped atomic.Bool
}

// addProducer adds the hooks of a producer.
func (rt *runtime) addProducer(c component) {
	p := &startedProducer{component: c}
	rt.producers = append(rt.producers, p)
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error { return rt.startProducer(ctx, p) },
		OnStop: func(ctx context.Context) error {
			rt.stopWorkloads(ctx)
			return p.stopOnce(ctx)
		},
	})
}

func (rt *runtime) startProducer(ctx context.Context, p *startedProducer) error {
	ctx, cancel := withReserve(ctx, startReserve)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		return err
	}
	p.started.Store(true)
	return nil
}

// stopOnce stops a producer that was started, unless that is done.
func (p *startedProducer) stopOnce(ctx context.Context) error {
	if !p.started.Load() || p.stopped.Swap(true) {
		return nil
	}
	ctx, cancel := withReserve(ctx, closeReserve)
	defer cancel()
	return p.Stop(ctx)
}

// stopProducers stops the producers whose own hook does not run, because a start failed before it. It
// is the last hook of the package.
func (rt *runtime) stopProducers(ctx context.Context) error {
	var errs []error
	for _, p := range rt.producers {
		errs = append(errs, p.stopOnce(ctx))
	}
	return errors.Join(errs...)
}

// consumerHooks are the hooks of one consumer.
type consumerHooks struct {
	rt       *runtime
	name     string
	consumer component
	workload *workload
	handled  bool // the consumer has a handler, and the hooks that follow from it
}

// addConsumer adds the hooks of a consumer that is being built. They start and stop a consumer from
// which loops of the application take messages.
//
// A consumer with a handler starts and stops where the handler was set, by the hooks of onHandler: the
// handler may use everything that existed then, also what was built after the consumer.
func (rt *runtime) addConsumer(h *consumerHooks) {
	h.rt = rt
	h.workload = newWorkload(h.consumer.Stop)
	h.workload.consumer = true
	rt.addWorkload(h.workload)
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if h.handled {
				return nil
			}
			return h.start(ctx)
		},
		OnStop: func(ctx context.Context) error {
			if h.handled && h.workload.started.Load() {
				return nil // stopped by the hook of onHandler
			}
			return rt.stopWorkload(ctx, h.workload)
		},
	})
}

// onHandler is called when the consumer gets its handler.
func (h *consumerHooks) onHandler() {
	if h.rt.started.Load() {
		// Fx runs no hook that is added now.
		h.rt.log.Named("fxiggy").Warn("handler set after the start of the application, what it uses may be stopped before it",
			zap.String("consumer", h.name))
		return
	}
	h.handled = true
	h.rt.moveWorkload(h.workload)
	h.rt.lifecycle.Append(fx.Hook{
		OnStart: h.start,
		OnStop:  func(ctx context.Context) error { return h.rt.stopWorkload(ctx, h.workload) },
	})
}

func (h *consumerHooks) start(ctx context.Context) error {
	if err := h.rt.startProducers(ctx); err != nil {
		return err
	}
	ctx, cancel := withReserve(ctx, startReserve)
	defer cancel()
	if err := h.consumer.Start(ctx); err != nil {
		return err
	}
	h.workload.started.Store(true)
	return nil
}
