package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Consumer consumes the messages of one topic, as a member of a consumer group or standalone, over
// a connection of its own.
//
// It joins its group when someone consumes: at Start when it has a handler, at the first Next or
// Messages otherwise. Before that it has no partition and polls nothing.
//
// All methods are safe for concurrent use.
type Consumer[T any] struct {
	e           *engine
	topic       topic.Topic[T]
	deadLetters DeadLetters[T]
	tracer      *telemetry.Tracer // nil: no spans

	handler      func(context.Context, *Message[T]) error
	batchHandler func(context.Context, []*Message[T]) error

	mu        sync.Mutex
	state     lifecycle
	mode      mode
	consuming bool // consumption began, or never will
}

// mode is where the messages go.
type mode uint8

const (
	modeNone mode = iota
	modeHandler
	modeIteration
)

type lifecycle uint8

const (
	stateNew lifecycle = iota
	stateStarting
	stateStarted
	stateStopping
	stateStopped
)

// New returns a consumer of t. It reads the secret and certificate files that cluster names, does
// no other I/O and starts nothing. It returns an error that names every fault of cfg, as
// cfg.Validate does; the group of a standalone consumer is not checked.
func New[T any](cluster config.Iggy, cfg config.Consumer, t topic.Topic[T], opts ...Option) (*Consumer[T], error) {
	o := options{name: t.Name()}
	for _, opt := range opts {
		opt(&o)
	}
	name := telemetry.In(o.cluster, o.name)
	log := o.log
	if log == nil {
		log = zap.NewNop()
	}
	log = log.Named("consumer").With(zap.String("consumer", name), zap.String("stream", t.Stream()), zap.String("topic", t.Name()))
	if err := check(cfg, &o); err != nil {
		return nil, fmt.Errorf("iggy: consumer %s: %w", name, err)
	}
	newLink := func(name string, more ...link.Option) (*link.Link, error) {
		linkOpts := append(more, link.WithLogger(o.log))
		if o.dialer != nil {
			linkOpts = append(linkOpts, link.WithDialer(o.dialer))
		}
		return link.New(name, cluster, linkOpts...)
	}
	l, err := newLink("consumer."+name, link.WithMeterProvider(o.meters, o.cluster))
	if err != nil {
		return nil, err
	}
	c := &Consumer[T]{topic: t}
	if o.deadLetters != nil {
		d, ok := o.deadLetters.(DeadLetters[T])
		if !ok {
			var zero T
			return nil, fmt.Errorf("iggy: consumer %s: dead letters are a %T, not for messages of type %T", name, o.deadLetters, zero)
		}
		c.deadLetters = d
	}
	if c.e, err = newEngine(cfg, &o, log, l, newLink, t.Stream(), t.Name()); err != nil {
		return nil, err
	}
	c.e.typed = c
	c.tracer = telemetry.NewTracer(o.tracers, instrumentation, telemetry.Process, o.cluster, cluster.Address(), telemetry.Group(c.e.identity.Name))
	return c, nil
}

// check refuses what no consumer can work with; config.Validate checks the rest.
func check(cfg config.Consumer, o *options) error {
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	must(o.standalone != nil || len(cfg.Group) > 0 && len(cfg.Group) <= 255, "group: must have 1 to 255 bytes")
	must(cfg.BatchSize > 0, "batch_size: must be 1 or more")
	must(cfg.MaxInFlight > 0, "max_in_flight: must be 1 or more")
	must(cfg.MaxBufferedBytes > 0, "max_buffered_bytes: must be 1 or more")
	must(cfg.PollIntervalMin > 0 && cfg.PollIntervalMax >= cfg.PollIntervalMin, "poll_interval_min: must be more than 0 and at most poll_interval_max")
	must(cfg.ProbeInterval > 0, "probe_interval: must be more than 0")
	if o.standalone != nil {
		must(len(o.standalone.Name) <= 255, "standalone name: must have at most 255 bytes")
	}
	return errors.Join(errs...)
}

// Name returns the consumer's name, with the name of its cluster before it if that has one.
func (c *Consumer[T]) Name() string { return c.e.name }

// Start connects, and begins to consume when there is a handler. It waits for the first connection,
// within ctx and the start timeout. A second call does nothing; after Stop it returns
// iggyerr.ErrClosed. A start that fails releases everything and closes the consumer.
func (c *Consumer[T]) Start(ctx context.Context) error {
	c.mu.Lock()
	switch c.state {
	case stateNew:
		c.state = stateStarting
	case stateStarting, stateStarted:
		c.mu.Unlock()
		return nil
	default:
		c.mu.Unlock()
		return iggyerr.ErrClosed
	}
	c.mu.Unlock()
	err := c.e.link.Start(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.state = stateStopped
		c.e.cancelAll()
		c.e.setStopResult(nil)
		return err
	}
	if c.state != stateStarting {
		return iggyerr.ErrClosed // stopped meanwhile
	}
	c.state = stateStarted
	if c.mode == modeHandler {
		c.startConsuming()
	}
	return nil
}

// startConsuming starts the workers and the engine, once. c.mu is held.
func (c *Consumer[T]) startConsuming() {
	if c.consuming {
		return
	}
	c.consuming = true
	switch {
	case c.handler != nil:
		c.e.startWorkers(c.callHandler)
	case c.batchHandler != nil:
		c.e.startBatchWorkers(c.callBatchHandler)
	}
	c.e.start()
}

// Stop ends the consumption: it fetches nothing more, waits for the messages in flight within
// drain_timeout and ctx, commits the acknowledged offsets, leaves the group and closes the
// connection. The contexts of handlers that are still running then end with ErrStopDeadline, and
// their messages are delivered again. So are messages that wait for redelivery, for which Stop does
// not wait. A *StopError counts what could not be finished. Stop may be called twice, concurrently,
// and before Start.
//
// Stop waits until ctx ends for handlers that ignore the end of their context. A handler must not
// call Stop and wait for it: Stop waits for the handler.
func (c *Consumer[T]) Stop(ctx context.Context) error {
	c.mu.Lock()
	switch c.state {
	case stateNew:
		c.state = stateStopped
		c.e.cancelAll()
		c.e.setStopResult(nil)
		c.mu.Unlock()
		return nil
	case stateStopping, stateStopped:
		c.mu.Unlock()
		return c.e.waitStopped(ctx)
	}
	c.state = stateStopping
	c.mu.Unlock()
	work, cancel := drainContext(ctx, c.e.cfg.DrainTimeout)
	defer cancel()
	err := c.e.stop(ctx, work)
	c.mu.Lock()
	c.state = stateStopped
	c.mu.Unlock()
	return err
}

// Drain ends the consumption like Stop, but gives the messages in flight all the time that ctx has,
// and keeps the connection, which only Stop closes. A drained consumer can't be used again.
func (c *Consumer[T]) Drain(ctx context.Context) error {
	c.mu.Lock()
	if c.state != stateStarted {
		c.mu.Unlock()
		return iggyerr.ErrClosed
	}
	c.consuming = true // nothing begins any more
	c.mu.Unlock()
	return c.e.drain(ctx, ctx)
}
