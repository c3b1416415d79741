package producer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// steps are what middleware and callers saw, in order.
type steps struct {
	mu  sync.Mutex
	all []string
}

func (s *steps) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf(format, args...))
}

// flush returns the steps since the last call.
func (s *steps) flush() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.all)
	s.all = nil
	return all
}

// named returns middleware that adds a step for each message and each outcome.
func (s *steps) named(name string) producer.Middleware {
	return func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
		payload := string(m.Payload[:min(len(m.Payload), 8)])
		s.add("%s %s", name, payload)
		return func(r producer.Result) { s.add("%s %s: %s", name, payload, r.Outcome) }, nil
	}
}

// The middleware is called in order for every way to send, and gets the outcomes in reverse order,
// before the caller.
func TestOrderOfMiddleware(t *testing.T) {
	t.Parallel()
	s := &steps{}
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.Bytes(), topic.Key(func([]byte) string { return "k" })))
		one := []string{"first x", "second x", "second x: confirmed", "first x: confirmed", "done"}
		for name, send := range map[string]func(){
			"Send": func() {
				require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
				s.add("done")
			},
			"Publish": func() {
				require.NoError(t, errOf(pub.Publish(t.Context(), []byte("x"))))
				s.add("done")
			},
			"SendAsync": func() { p.SendAsync(t.Context(), message("k", "x"), func(producer.Result) { s.add("done") }) },
			"PublishAsync": func() {
				pub.PublishAsync(t.Context(), []byte("x"), func(producer.Result) { s.add("done") })
			},
		} {
			send()
			require.NoError(t, p.Flush(t.Context()))
			require.Equal(t, one, s.flush(), name)
		}
		p.SendAsync(t.Context(), message("k", "x"), nil)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, one[:4], s.flush(), "without a callback")

		two := []string{
			"first x", "second x", "first y", "second y",
			"second x: confirmed", "first x: confirmed", "second y: confirmed", "first y: confirmed",
		}
		require.NoError(t, p.SendAll(t.Context(), message("k", "x"), message("k", "y")))
		require.Equal(t, two, s.flush())
		require.NoError(t, pub.PublishAll(t.Context(), [][]byte{[]byte("x"), []byte("y")}))
		require.Equal(t, two, s.flush())
	}, producer.Use(s.named("first")), producer.Use(s.named("second")))
}

// The span is outside of the middleware, and so is the codec with its compression; the trace context
// is inside.
func TestMiddlewareSeesWhatIsStored(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var seen []byte
	middleware := func(ctx context.Context, m *producer.Message) (func(producer.Result), error) {
		span := trace.SpanFromContext(ctx)
		require.True(t, span.IsRecording())
		require.Equal(t, []topic.Header{
			{Key: topic.HeaderContentType, Value: "application/octet-stream"}, {Key: topic.HeaderContentEncoding, Value: "s2"},
		}, m.Headers)
		seen = slices.Clone(m.Payload)
		return func(producer.Result) { require.True(t, span.IsRecording(), "it later") }, nil
	}
	compressed := topic.New("s", "t", topic.Bytes(), topic.Compress[[]byte](config.CompressionS2, 10))
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, errOf(producer.For(p, compressed).Publish(t.Context(), bytes.Repeat([]byte("a"), 1000))))
		stored := s.log("t")[0]
		require.Less(t, len(stored.payload), 100)
		require.Equal(t, string(seen), stored.payload)
		require.NotEmpty(t, stored.headers[topic.HeaderTraceParent])
		require.Len(t, spans.Ended(), 1)
	}, producer.WithTracerProvider(provider), producer.Use(middleware))
}

func TestMiddlewareChangesMessage(t *testing.T) {
	t.Parallel()
	tenants := func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
		require.Contains(t, m.Headers, topic.Header{Key: topic.HeaderMessageType, Value: "google.protobuf.StringValue"})
		require.Equal(t, "a", m.Key)
		m.Headers = append(slices.DeleteFunc(m.Headers, func(h topic.Header) bool { return h.Key == topic.HeaderContentType }),
			topic.Header{Key: "tenant", Value: "acme"})
		m.ID = [16]byte{9}
		m.Payload = append(slices.Clone(m.Payload), "!"...)
		return nil, nil
	}
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r, err := producer.For(p, words).Publish(t.Context(), wrapperspb.String("apple"))
		require.NoError(t, err)
		require.Equal(t, [16]byte{9}, r.ID)
		stored := s.log("t")[0]
		require.Equal(t, "\n\x05apple!", stored.payload)
		require.Equal(t, r.ID, stored.id)
		require.Equal(t, map[string]string{"tenant": "acme", topic.HeaderMessageType: "google.protobuf.StringValue"}, stored.headers)

		require.NoError(t, producer.For(p, words).PublishAll(t.Context(), []*wrapperspb.StringValue{wrapperspb.String("a1"), wrapperspb.String("a2")}))
		require.Len(t, s.log("t"), 3)
	}, producer.Use(tenants))
}

func TestMiddlewareRefusesMessage(t *testing.T) {
	t.Parallel()
	errQuota := errors.New("no quota")
	for name, tt := range map[string]struct {
		middleware producer.Middleware
		want       string
	}{
		"error": {func(context.Context, *producer.Message) (func(producer.Result), error) {
			return func(producer.Result) { panic("after an error") }, errQuota
		}, "no quota"},
		"panic": {func(context.Context, *producer.Message) (func(producer.Result), error) { panic("oops") }, "oops"},
		"header": {func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
			m.Headers = []topic.Header{{Key: "a"}}
			return nil, nil
		}, "empty value"},
		"topic": {func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
			m.Topic = "other"
			return nil, nil
		}, "middleware has changed the topic, the key or the partition"},
		"key": {func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
			m.Key = "other"
			return nil, nil
		}, "middleware has changed the topic, the key or the partition"},
		"partition": {func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
			m.Partition = producer.OnPartition(0)
			return nil, nil
		}, "middleware has changed the topic, the key or the partition"},
		"empty": {func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
			m.Payload = nil
			return nil, nil
		}, iggyerr.ErrEmptyPayload.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &steps{}
			core, logs := observer.New(zap.ErrorLevel)
			run(t, nil, func(t *testing.T, srv *server, p *producer.Producer) {
				r, err := p.Send(t.Context(), message("k", "x"))
				require.ErrorContains(t, err, tt.want)
				var failure *producer.SendError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, producer.Failed, r.Outcome)
				require.Equal(t, []string{"outer x", "outer x: failed"}, s.flush())
				p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { s.add("%s", r.Outcome) })
				require.Equal(t, []string{"outer x", "outer x: failed", "failed"}, s.flush())
				var all *producer.SendAllError
				require.ErrorAs(t, p.SendAll(t.Context(), message("k", "x"), message("k", "y")), &all)
				require.ErrorContains(t, all.Results[1].Err, tt.want)
				require.Equal(t, []string{"outer x", "outer y", "outer x: failed", "outer y: failed"}, s.flush())
				require.Zero(t, srv.count(&srv.requests))
				require.EqualValues(t, 4, p.Status().Failed)
				require.Zero(t, logs.Len())
			}, producer.Use(s.named("outer"), tt.middleware), producer.WithLogger(zap.New(core)))
		})
	}
}

// A middleware that fails with an outcome hides it from nobody.
func TestFaultsOfMiddlewareWithOutcome(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(producer.Result){
		"panic":  func(producer.Result) { panic("oops") },
		"goexit": func(producer.Result) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &steps{}
			core, logs := observer.New(zap.ErrorLevel)
			faulty := func(context.Context, *producer.Message) (func(producer.Result), error) { return fault, nil }
			run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
				p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { s.add("%s", r.Outcome) })
				require.NoError(t, p.Flush(t.Context()))
				want := []string{"outer x", "outer x: confirmed", "confirmed"}
				require.Equal(t, want, s.flush())
				require.NotZero(t, logs.FilterMessage("send callback failed").Len())
				p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { s.add("%s", r.Outcome) })
				require.NoError(t, p.Flush(t.Context()))
				require.Equal(t, want, s.flush())
			}, producer.Use(s.named("outer"), faulty), producer.WithLogger(zap.New(core)))
		})
	}
}

// A middleware that ends its goroutine, as FailNow of a test does, hides the outcome from nobody: the
// middleware before it, the span and the callback get one.
func TestMiddlewareThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := &steps{}
	spans := tracetest.NewSpanRecorder()
	ends := func(_ context.Context, m *producer.Message) (func(producer.Result), error) {
		switch string(m.Payload) {
		case "ends":
			runtime.Goexit()
		case "later":
			return func(producer.Result) { runtime.Goexit() }, nil
		}
		return nil, nil
	}
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		for name, tt := range map[string]struct {
			send func()
			want []string
		}{
			"Send":       {func() { _, _ = p.Send(t.Context(), message("k", "ends")) }, []string{"outer ends", "outer ends: failed"}},
			"Send later": {func() { _, _ = p.Send(t.Context(), message("k", "later")) }, []string{"outer later", "outer later: confirmed"}},
			"SendAsync": {func() {
				p.SendAsync(t.Context(), message("k", "ends"), func(r producer.Result) {
					require.ErrorIs(t, r.Err, callback.ErrGoexit)
					s.add("%s", r.Outcome)
				})
			}, []string{"outer ends", "outer ends: failed", "failed"}},
			"SendAll": {
				func() { _ = p.SendAll(t.Context(), message("k", "a"), message("k", "ends"), message("k", "b")) },
				[]string{"outer a", "outer ends", "outer a: confirmed", "outer ends: failed"},
			},
			"SendAll later": {
				func() {
					_ = p.SendAll(t.Context(), message("k", "later"), message("k", "b"), message("k", "later"), message("k", "c"))
				},
				[]string{
					"outer later", "outer b", "outer later", "outer c",
					"outer later: confirmed", "outer b: confirmed", "outer later: confirmed", "outer c: confirmed",
				},
			},
		} {
			ended := len(spans.Ended())
			done := make(chan struct{})
			go func() {
				defer close(done)
				tt.send()
			}()
			<-done
			require.Equal(t, tt.want, s.flush(), name)
			require.Len(t, spans.Ended(), ended+1, name)
			require.Zero(t, p.Status().BufferedMessages, name)
		}
	}, producer.Use(s.named("outer"), ends), producer.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
}

// The outcome of a call whose context ends reaches the middleware, too.
func TestMiddlewareGetsOutcomeOfContext(t *testing.T) {
	t.Parallel()
	s := &steps{}
	run(t, nil, func(t *testing.T, srv *server, p *producer.Producer) {
		srv.set(func() { srv.delay = 6 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other := message("", "y")
		other.Partition = producer.OnPartition((wire.PartitionOf("k", 4) + 1) % 4)
		go func() { _, _ = p.Send(ctx, message("k", "x")) }()
		time.Sleep(time.Millisecond)
		require.Error(t, p.SendAll(ctx, message("k", "z"), other))
		time.Sleep(time.Minute)
		got := s.flush()
		slices.Sort(got)
		require.Equal(t, []string{"m x", "m x: unknown", "m y", "m y: unknown", "m z", "m z: failed"}, got)
	}, producer.Use(s.named("m")))
}

func TestNilMiddlewareIsAnError(t *testing.T) {
	t.Parallel()
	_, err := producer.New(config.Default().Iggy, config.Default().Producer, producer.Use(nil))
	require.ErrorContains(t, err, "middleware 1 of 1 is nil")
}

// A message that is sent byte for byte passes no middleware.
func TestSendRawCallsNoMiddleware(t *testing.T) {
	t.Parallel()
	s := &steps{}
	run(t, nil, func(t *testing.T, srv *server, p *producer.Producer) {
		require.NoError(t, p.SendRaw(t.Context(), topic.RawMessage{Stream: "s", Topic: "t", ID: [16]byte{1}, Payload: []byte("x")}))
		require.Len(t, srv.log("t"), 1)
		require.Empty(t, s.flush())
	}, producer.Use(s.named("m")))
}
