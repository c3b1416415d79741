package fxiggy

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// workload is a consumer or a loop of Background: it runs code of the application, which uses
// producers and other components.
type workload struct {
	consumer bool
	stop     func(ctx context.Context) error
	reached  atomic.Bool // Fx has called its hook for the start
	started  atomic.Bool // that hook has succeeded
	late     atomic.Bool // a consumer that got its handler after the start began

	once sync.Once
	done chan struct{} // closed when stop has returned
	err  error         // of stop, set before done is closed
}

func newWorkload(stop func(ctx context.Context) error) *workload {
	return &workload{stop: stop, done: make(chan struct{})}
}

// addWorkload adds w to those that stop before the producers, as the first of them.
func (rt *runtime) addWorkload(w *workload) { rt.workloads = append(rt.workloads, w) }

// moveWorkload makes w the first one to stop.
func (rt *runtime) moveWorkload(w *workload) {
	rt.workloads = append(slices.DeleteFunc(rt.workloads, func(other *workload) bool { return other == w }), w)
}

// stopWorkload stops w, waits for that and returns the result.
func (rt *runtime) stopWorkload(ctx context.Context, w *workload) error {
	rt.beginStop(ctx)
	w.beginStop(ctx)
	<-w.done
	return w.err
}

// beginStop begins to stop w, once.
func (w *workload) beginStop(ctx context.Context) {
	w.once.Do(func() {
		go func() {
			defer close(w.done)
			ctx, cancel := withReserve(ctx, drainReserve)
			defer cancel()
			w.err = w.stop(ctx)
		}()
	})
}

// beginStop is called by each hook that stops. With the first one, the service is not ready any
// more, and all consumers begin to stop at the same time, so that together they need the time of the
// slowest one.
//
// It waits for the consumers that got their handlers late: what such a handler uses may stop with the
// hooks after this one, since Fx has run the consumer's own hooks where it was built.
func (rt *runtime) beginStop(ctx context.Context) {
	rt.stopping.Store(true)
	rt.registry.Drain()
	for _, w := range rt.workloads {
		if w.consumer && w.started.Load() {
			w.beginStop(ctx)
		}
	}
	for _, w := range rt.workloads {
		if w.late.Load() && w.started.Load() {
			<-w.done
		}
	}
}

// stopWorkloads stops all consumers and loops and waits for them, the latest first. What handlers
// and loops may use calls it before it stops. The results are those of the hooks of the consumers
// and loops.
func (rt *runtime) stopWorkloads(ctx context.Context) {
	rt.beginStop(ctx)
	for _, w := range slices.Backward(rt.workloads) {
		if w.started.Load() {
			_ = rt.stopWorkload(ctx, w)
		}
	}
}

// startProducers starts the producers that are built, of all clusters: what runs code of the
// application calls it before it starts, since that code may publish.
func (rt *runtime) startProducers(ctx context.Context) error {
	for _, p := range rt.producers {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}
