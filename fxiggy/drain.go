package fxiggy

import (
	"context"

	"go.uber.org/fx"
)

// drainedConsumer is the stop of one consumer.
type drainedConsumer struct {
	stop    func(ctx context.Context) error
	started bool
	done    chan struct{} // closed when stop has returned
	err     error         // of stop, set before done is closed
}

// addConsumer adds the hooks of a consumer. When Fx stops the first consumer, all of them are
// stopped at the same time, so that together they need the time of the slowest one.
func (rt *runtime) addConsumer(c component) {
	d := &drainedConsumer{stop: c.Stop, done: make(chan struct{})}
	rt.mu.Lock()
	rt.consumers = append(rt.consumers, d)
	rt.mu.Unlock()
	rt.lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			ctx, cancel := withReserve(ctx, startReserve)
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
			rt.drainConsumers(ctx)
			<-d.done
			return d.err
		},
	})
}

// drainConsumers begins to stop all consumers that are started, once.
func (rt *runtime) drainConsumers(ctx context.Context) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.draining {
		return
	}
	rt.draining = true
	rt.registry.Drain()
	for _, d := range rt.consumers {
		if !d.started {
			continue
		}
		go func() {
			defer close(d.done)
			ctx, cancel := withReserve(ctx, drainReserve)
			defer cancel()
			d.err = d.stop(ctx)
		}()
	}
}
