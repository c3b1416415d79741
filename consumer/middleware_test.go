package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// steps are what middleware and handlers did, in order.
type steps struct {
	mu  sync.Mutex
	all []string
}

func (s *steps) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf(format, args...))
}

func (s *steps) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// named returns middleware that adds steps before and after the call of the next one.
func (s *steps) named(name string) consumer.Middleware[string] {
	return func(next consumer.Handler[string]) consumer.Handler[string] {
		return func(ctx context.Context, m *consumer.Message[string]) error {
			_, deadline := ctx.Deadline()
			s.add("%s: span %t, deadline %t", name, trace.SpanContextFromContext(ctx).IsValid(), deadline)
			err := next(ctx, m)
			s.add("%s after: %v", name, err)
			return err
		}
	}
}

// startWithMiddleware starts a consumer of a fake server whose messages all go to handler.
func startWithMiddleware(t *testing.T, server *fakeServer, change func(*config.Consumer), handler consumer.Handler[string], middleware []consumer.Middleware[string], opts ...consumer.Option) *consumer.Consumer[string] {
	t.Helper()
	cluster := config.Default().Iggy
	cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
	cfg := config.DefaultConsumer("g")
	cfg.Retry.Jitter = 0
	change(&cfg)
	c, err := consumer.New(cluster, cfg, texts("s", "t"), append(opts, consumer.WithDialer(server))...)
	require.NoError(t, err)
	require.NoError(t, c.Use(middleware...))
	require.NoError(t, c.Handle(handler))
	require.NoError(t, c.Start(context.Background()))
	return c
}

// The span is outside of the middleware; the metric and handler_timeout are inside.
func TestOrderOfMiddleware(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		reader := sdkmetric.NewManualReader()
		server := newFakeServer(1)
		server.append(0, "a/0")
		s := &steps{}
		slow := func(next consumer.Handler[string]) consumer.Handler[string] {
			return func(ctx context.Context, m *consumer.Message[string]) error {
				time.Sleep(time.Minute) // longer than handler_timeout
				return next(ctx, m)
			}
		}
		c := startWithMiddleware(t, server, func(cfg *config.Consumer) { cfg.HandlerTimeout = 10 * time.Second },
			func(ctx context.Context, m *consumer.Message[string]) error {
				at, _ := ctx.Deadline()
				s.add("handler of %s: span %t, deadline in %s", m.Value, trace.SpanContextFromContext(ctx).IsValid(), time.Until(at))
				time.Sleep(3 * time.Second)
				return nil
			},
			[]consumer.Middleware[string]{s.named("first"), slow, s.named("second")},
			consumer.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
			consumer.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		time.Sleep(2 * time.Minute)
		require.NoError(t, c.Stop(context.Background()))
		require.Equal(t, []string{
			"first: span true, deadline false",
			"second: span true, deadline false",
			"handler of a/0: span true, deadline in 10s",
			"second after: <nil>",
			"first after: <nil>",
		}, s.list())
		require.Len(t, spans.Ended(), 1)
		span := spans.Ended()[0]
		require.Equal(t, 63*time.Second, span.EndTime().Sub(span.StartTime()))
		count, sum := handleDurations(t, reader)
		require.EqualValues(t, 1, count)
		require.InDelta(t, 3, sum, 0.001)
	})
}

// handleDurations returns how many calls of the handler were measured, and how long they took in
// seconds.
func handleDurations(t *testing.T, reader sdkmetric.Reader) (count uint64, sum float64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "iggy.client.consumer.handle.duration" {
				continue
			}
			for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				count, sum = count+point.Count, sum+point.Sum
			}
		}
	}
	return count, sum
}

// Each attempt of a middleware that calls the handler again has the whole handler_timeout, and is
// measured.
func TestHandlerTimeoutIsForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		server := newFakeServer(1)
		server.append(0, "a/0")
		s := &steps{}
		again := func(next consumer.Handler[string]) consumer.Handler[string] {
			return func(ctx context.Context, m *consumer.Message[string]) error {
				err := next(ctx, m)
				s.add("first attempt: %t after %v", errors.Is(err, consumer.ErrHandlerTimeout), ctx.Err())
				return next(ctx, m)
			}
		}
		attempts := 0
		c := startWithMiddleware(t, server, func(cfg *config.Consumer) { cfg.HandlerTimeout = 5 * time.Second },
			func(ctx context.Context, m *consumer.Message[string]) error {
				if attempts++; attempts == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				s.add("second attempt, delivery %d", m.Deliveries())
				return nil
			}, []consumer.Middleware[string]{again}, consumer.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		time.Sleep(time.Minute)
		require.NoError(t, c.Stop(context.Background()))
		require.Equal(t, []string{"first attempt: true after <nil>", "second attempt, delivery 1"}, s.list())
		count, _ := handleDurations(t, reader)
		require.EqualValues(t, 2, count)
	})
}

// What the outermost middleware returns decides about the delivery.
func TestMiddlewareDecidesAboutDelivery(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		middleware consumer.Middleware[string]
		handler    consumer.Handler[string]
		handled    int
		gaveUp     string
	}{
		"a panic of the handler is an error": {
			middleware: func(next consumer.Handler[string]) consumer.Handler[string] {
				return func(ctx context.Context, m *consumer.Message[string]) error {
					if err := next(ctx, m); !errors.Is(err, iggyerr.ErrPanic) {
						return consumer.Permanent(fmt.Errorf("no panic: %w", err))
					}
					return nil
				}
			},
			handler: func(context.Context, *consumer.Message[string]) error { panic("oops") },
			handled: 1,
		},
		"a panic of the middleware is a failed delivery": {
			middleware: func(consumer.Handler[string]) consumer.Handler[string] {
				return func(context.Context, *consumer.Message[string]) error { panic("oops") }
			},
			gaveUp: "oops",
		},
		"the end of its goroutine is one, too": {
			middleware: func(consumer.Handler[string]) consumer.Handler[string] {
				return func(context.Context, *consumer.Message[string]) error { runtime.Goexit(); return nil }
			},
			gaveUp: "Goexit",
		},
		"an error instead of a call": {
			middleware: func(consumer.Handler[string]) consumer.Handler[string] {
				return func(context.Context, *consumer.Message[string]) error { return errors.New("not today") }
			},
			gaveUp: "not today",
		},
		"another error": {
			middleware: func(next consumer.Handler[string]) consumer.Handler[string] {
				return func(ctx context.Context, m *consumer.Message[string]) error {
					return fmt.Errorf("wrapped: %w", next(ctx, m))
				}
			},
			handler: func(context.Context, *consumer.Message[string]) error { return errors.New("inner") },
			handled: 1,
			gaveUp:  "wrapped: inner",
		},
		"success in place of an error": {
			middleware: func(next consumer.Handler[string]) consumer.Handler[string] {
				return func(ctx context.Context, m *consumer.Message[string]) error { _ = next(ctx, m); return nil }
			},
			handler: func(context.Context, *consumer.Message[string]) error { return errors.New("inner") },
			handled: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				server.append(0, "a/0")
				cluster := config.Default().Iggy
				cluster.ClientID, cluster.ClientSecret = "iggy", config.NewSecret("iggy")
				cfg := config.DefaultConsumer("g")
				cfg.Retry.MaxDeliveries = 1
				c, err := consumer.New(cluster, cfg, texts("s", "t"), consumer.WithDialer(server))
				require.NoError(t, err)
				box := newDeadLetterRecorder()
				require.NoError(t, c.SetDeadLetters(box))
				require.NoError(t, c.Use(tt.middleware))
				handled := 0
				require.NoError(t, c.Handle(func(ctx context.Context, m *consumer.Message[string]) error {
					handled++
					if tt.handler == nil {
						return nil
					}
					return tt.handler(ctx, m)
				}))
				require.NoError(t, c.Start(context.Background()))
				time.Sleep(time.Minute)
				require.NoError(t, c.Stop(context.Background()))
				require.Equal(t, tt.handled, handled)
				stored, _ := server.committed()
				require.Equal(t, map[uint32]uint64{0: 0}, stored)
				if tt.gaveUp == "" {
					require.Empty(t, box.wait(t, 0))
					return
				}
				require.ErrorContains(t, box.wait(t, 1)[0].Err, tt.gaveUp)
			})
		})
	}
}

func TestUseIsRefusedWhereItHasNoEffect(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	none := func(next consumer.Handler[string]) consumer.Handler[string] { return next }
	handler := func(context.Context, *consumer.Message[string]) error { return nil }

	c := e.consumer(fastConfig())
	require.ErrorContains(t, c.Use(none, nil), "middleware 2 of 2 is nil")
	require.NoError(t, c.Use())
	require.NoError(t, c.Handle(handler), "a call without middleware")
	require.ErrorIs(t, c.Use(none), consumer.ErrConsuming)

	c = e.consumer(fastConfig())
	require.NoError(t, c.Use(func(consumer.Handler[string]) consumer.Handler[string] { return nil }))
	require.ErrorContains(t, c.Handle(handler), "middleware 1 of 1 returned no handler")

	c = e.consumer(fastConfig())
	require.NoError(t, c.Use(func(next consumer.Handler[string]) consumer.Handler[string] {
		require.NoError(t, c.Use(none))
		return next
	}))
	require.ErrorContains(t, c.Handle(handler), "Use was called during Handle")

	c = e.consumer(fastConfig())
	require.NoError(t, c.Use(none))
	const want = "middleware is called by Handle only"
	require.ErrorContains(t, c.HandleBatch(func(context.Context, []*consumer.Message[string]) error { return nil }), want)
	start(t, c)
	_, err := c.Next(t.Context())
	require.ErrorContains(t, err, want)
	for _, last := range c.Messages(t.Context()) {
		err = last
	}
	require.ErrorContains(t, err, want)
	require.NoError(t, c.Handle(handler), "nothing has begun")
	require.ErrorIs(t, c.Use(none), consumer.ErrConsuming)
}
