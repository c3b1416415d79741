package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
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
	e         *engine
	app       *app[T]
	life      *startstop.Lifecycle
	onHandler []func()

	mu        sync.Mutex
	connected bool // start has connected, so consumption may begin
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

// New returns a consumer of t. It reads the secret and certificate files that cluster names, does
// no other I/O and starts nothing. It returns an error that names every fault of cfg, as
// cfg.Validate does; the group of a standalone consumer is not checked.
func New[T any](cluster config.Iggy, cfg config.Consumer, t topic.Topic[T], opts ...Option) (*Consumer[T], error) {
	o := options{name: t.Name()}
	if err := argument.Apply(&o, opts); err != nil {
		return nil, err
	}
	name := telemetry.QualifiedName(o.cluster, o.name)
	log := o.log
	if log == nil {
		log = zap.NewNop()
	}
	log = log.Named("consumer").With(zap.String("consumer", name), zap.String("stream", t.Stream()), zap.String("topic", t.Name()))
	if err := o.standalone.validate(&cfg); err != nil {
		return nil, fmt.Errorf("iggy: consumer %s: %w", name, err)
	}
	newLink := func(name string, more ...link.Option) (*link.Link, error) {
		linkOpts := append([]link.Option{link.WithLogger(o.log)}, more...)
		if o.dialer != nil {
			linkOpts = append(linkOpts, link.WithDialer(o.dialer))
		}
		return link.New(name, cluster, linkOpts...)
	}
	l, err := newLink("consumer."+name, link.WithMeterProvider(o.meters, o.cluster))
	if err != nil {
		return nil, err
	}
	c := &Consumer[T]{app: &app[T]{topic: t}, onHandler: o.onHandler}
	c.app.rawDecoder, _ = t.Codec().(topic.RawDecoder[T])
	c.life = startstop.New(c.start, c.stop)
	o.cipher, _ = t.Codec().(topic.HeaderCipher)
	s := newSettings(cfg, &o, log, transport.Consumer{Stream: t.Stream(), Topic: t.Name()})
	c.e = newEngine(s, newShared(s, c.app), l, newHooks(log, o.hooks), transientDialer(name, newLink))
	c.e.membership.waits, c.e.membership.background = o.waitsForProvisioning, cluster.Start == config.StartBackground
	c.app.e = c.e
	if c.e.parking, err = c.e.newParking(&o); err != nil {
		return nil, fmt.Errorf("iggy: consumer %s: %w", name, err)
	}
	if c.e.meter, err = newMeter(o.meters, c.e, o.name, o.cluster); err != nil {
		return nil, err
	}
	c.app.tracer = telemetry.NewTracer(o.tracers, instrumentation, telemetry.Process, o.cluster, cluster.Address(), c.e.groupAttributes()...)
	return c, nil
}

// Name returns the consumer's name, with the name of its cluster before it if that has one.
func (c *Consumer[T]) Name() string { return c.e.name }

// Groups returns the names of the groups that must exist on the server: the group of the consumer
// and, with fair_assignment, its coordination group. A standalone consumer needs none.
func (c *Consumer[T]) Groups() []string { return c.e.groups() }

// Start connects, and begins to consume when there is a handler. It waits for the first connection,
// within ctx and the start timeout. With a handler it also waits for the first attempt to join, and
// returns an error that matches iggyerr.ErrNotFound when the topic or the group is missing;
// admin.Provision creates them. It does not with WaitForProvisioning, nor when iggy.start is background.
// A second call does nothing; after Stop it returns iggyerr.ErrClosed. A start that fails releases
// everything and closes the consumer.
func (c *Consumer[T]) Start(ctx context.Context) error {
	if err := c.life.Start(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	handles := c.mode == modeHandler
	c.mu.Unlock()
	if !handles {
		return nil
	}
	if err := c.e.membership.awaitStart(ctx); err != nil {
		return errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (c *Consumer[T]) start(ctx context.Context) error {
	if err := c.e.link.Start(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = true
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
	case c.app.handler != nil:
		c.e.pool.Handle(c.app.callHandler)
	case c.app.batchHandler != nil:
		c.e.pool.HandleBatch(c.app.callBatchHandler)
	}
	c.e.start()
}

// Stop ends the consumption: it fetches nothing more, waits for the messages in flight within
// drain_timeout and ctx, commits the acknowledged offsets, leaves the group and closes the
// connection. The contexts of handlers that are still running then end with ErrStopDeadline, and
// their messages are delivered again. So are messages that wait for redelivery: Stop does not wait
// for them, logs how many there are and returns nil when nothing else is unfinished. A *StopError
// counts what could not be finished. Stop may be called twice, concurrently, and before Start.
//
// From the moment when Stop is called, an error of a handler that matches iggyerr.ErrClosed or
// context.Canceled is no failed delivery: it comes from the stop, and the message is delivered
// again after the next start.
//
// Stop waits until ctx ends for handlers that ignore the end of their context. A handler must not
// call Stop and wait for it: Stop waits for the handler.
func (c *Consumer[T]) Stop(ctx context.Context) error { return c.life.Stop(ctx) }

func (c *Consumer[T]) stop(ctx context.Context, started bool) error {
	c.mu.Lock()
	c.consuming = true // consumption does not begin any more
	c.mu.Unlock()
	if !started {
		c.e.close()
		return nil
	}
	work, cancel := drainContext(ctx, c.e.cfg.DrainTimeout)
	defer cancel()
	return c.e.stop(ctx, work)
}

// Drain ends the consumption like Stop, but gives the messages in flight all the time that ctx has,
// and keeps the connection, which only Stop closes. A drained consumer can't be used again.
func (c *Consumer[T]) Drain(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	if c.life.State() != startstop.StateStarted {
		return iggyerr.ErrClosed
	}
	c.mu.Lock()
	c.consuming = true // consumption does not begin any more
	c.mu.Unlock()
	return c.e.drain(ctx, ctx)
}
