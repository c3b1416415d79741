package fxiggy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// component has a life cycle.
type component interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// startedProducer is a producer and what has been done with it.
type startedProducer struct {
	component
	cluster          *cluster
	started, stopped atomic.Bool
}

// addProducer adds the hooks of a producer.
func (c *cluster) addProducer(built component) {
	rt, p := c.runtime, &startedProducer{component: built, cluster: c}
	rt.producers = append(rt.producers, p)
	rt.lifecycle.Append(fx.Hook{
		OnStart: p.start,
		OnStop: func(ctx context.Context) error {
			rt.stopWorkloads(ctx)
			return p.stopOnce(ctx)
		},
	})
}

// start starts the producer when its topics are provisioned. It does nothing when that is done.
func (p *startedProducer) start(ctx context.Context) error {
	if p.started.Load() {
		return nil
	}
	if err := p.cluster.prepare(ctx); err != nil {
		return err
	}
	if err := p.cluster.start(ctx, p.Start); err != nil {
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

// stopRest stops the producers whose own hook does not run, because a start failed before it, and
// what the clusters run. It is the last hook of the package.
func (rt *runtime) stopRest(ctx context.Context) error {
	var errs []error
	for _, p := range rt.producers {
		errs = append(errs, p.stopOnce(ctx))
	}
	for _, c := range rt.clusters {
		errs = append(errs, c.stop(ctx))
	}
	return errors.Join(errs...)
}

// consumerHooks are the hooks of one consumer.
type consumerHooks struct {
	cluster  *cluster
	name     string
	consumer component
	workload *workload
	// deadLetters is a consumer.DeadLetters[T], or nil.
	deadLetters any
	// handled tells that the consumer got its handler while the application was built, and the hooks
	// that follow from it.
	handled atomic.Bool
}

// addConsumer adds the hooks of a consumer that is being built. They start and stop a consumer from
// which loops of the application take messages, or whose handler is set late.
//
// A consumer that gets its handler while the application is built starts and stops where the
// handler was set, by the hooks of onHandler: the handler may use everything that existed then, also
// what was built after the consumer.
func (c *cluster) addConsumer(h *consumerHooks) {
	rt := c.runtime
	rt.addWorkload(h.workload)
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if h.handled.Load() {
				return nil
			}
			return h.start(ctx)
		},
		OnStop: func(ctx context.Context) error {
			if h.handled.Load() && h.workload.started.Load() {
				return nil // stopped by the hook of onHandler
			}
			return rt.stopWorkload(ctx, h.workload)
		},
	})
}

// onHandler is called when the consumer gets its handler.
func (h *consumerHooks) onHandler() {
	if h.cluster.mark.isSet() {
		// Fx runs no hook that is added now. The consumer starts by the hook of addConsumer, or has
		// started and consumes from now on.
		h.workload.late.Store(true)
		h.cluster.log.Named("fxiggy").Warn("handler set after the start began, what was built last may stop before it",
			zap.String("consumer", h.name))
		return
	}
	h.handled.Store(true)
	h.cluster.moveWorkload(h.workload)
	h.cluster.lifecycle.Append(fx.Hook{
		OnStart: h.start,
		OnStop:  func(ctx context.Context) error { return h.cluster.stopWorkload(ctx, h.workload) },
	})
}

func (h *consumerHooks) start(ctx context.Context) error {
	h.workload.reached.Store(true)
	if err := h.cluster.startProducers(ctx); err != nil {
		return err
	}
	if err := h.cluster.start(ctx, h.consumer.Start); err != nil {
		return err
	}
	h.workload.started.Store(true)
	log := h.cluster.log.Named("fxiggy").With(zap.String("consumer", h.name))
	if h.deadLetters == nil {
		log.Info("no dead letters, failed messages are logged and skipped")
	} else {
		if stored, ok := h.deadLetters.(interface {
			Topic() topic.Topic[deadletter.Letter]
		}); ok {
			log = log.With(zap.Stringer("topic", stored.Topic()))
		}
		log.Info("failed messages go to dead letters", zap.String("type", fmt.Sprintf("%T", h.deadLetters)))
	}
	return nil
}

// check returns an error until the consumer's hook for the start has run. It never runs when the
// handler was set in a hook that ran before that of startMark.
func (h *consumerHooks) check() error {
	if h.workload.reached.Load() {
		return nil
	}
	return fmt.Errorf("consumer %s: not started (a consumer that gets its handler in a hook before those of fxiggy.Core never starts)", h.name)
}
