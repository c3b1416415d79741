package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// logRecorder is the output of a logger, debug messages included.
type logRecorder struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *logRecorder) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *logRecorder) Sync() error { return nil }

func (p *logRecorder) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

func (p *logRecorder) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), p, zap.DebugLevel))
}

// Promise 10: no payload, header value, key or password is ever logged, whatever goes wrong.
func TestPromiseNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		e.cluster.RequestTimeout = 300 * time.Millisecond
		var b wire.Batch
		headers := wire.AppendHeader(nil, "authorization", "value-hunter2")
		for i := range 100 {
			text := "key-hunter2/payload-hunter2"
			if i%10 == 3 {
				text = "!payload-hunter2"
			}
			b.Append([16]byte{1, byte(i)}, 1, []byte(text), headers)
		}
		for p := range uint32(2) {
			e.sendBatch(p, &b)
		}
		e.server.Inject(iggytest.Cut().AfterEffect().On(embedded.PollMessages, embedded.StoreOffset).Chance(0.05, 1))
		e.server.Inject(iggytest.Do(func(iggytest.Request) { _ = e.server.RemoveMembers("s", "t", "g") }).On(embedded.StoreOffset).Skip(2).Times(1))
		var log logRecorder
		cfg := fastConfig()
		cfg.CommitEvery = 5
		cfg.Retry.MaxDeliveries = 2
		all := newDeliveryCount()
		c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			switch m.Offset() % 10 {
			case 5:
				return errors.New("the handler's own words")
			case 6:
				panic("the handler's own words")
			}
			return nil
		}, consumer.WithLogger(log.logger()))
		for p := range uint32(2) {
			e.server.WaitCommitted("s", "t", "g", p, 99)
		}
		stop(t, c)

		wrong := e.cluster
		wrong.ClientSecret = config.NewSecret("password-hunter2")
		other, err := consumer.New(wrong, fastConfig(), e.topic, consumer.WithLogger(log.logger()))
		require.NoError(t, err)
		err = other.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		require.NotContains(t, err.Error(), "hunter2")
		require.Contains(t, log.text(), "message skipped, the consumer has no dead letters")
		require.NotContains(t, log.text(), "hunter2")
	})
}

// Promise 10: a consumer of something that does not exist reports it by name, and begins when it
// exists.
func TestPromiseMissingObjectsAreNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		topic topic.Topic[string]
		group string
		names []string
	}{
		"stream": {texts("nowhere", "t"), "g", []string{"nowhere/t"}},
		"topic":  {texts("s", "nothing"), "g", []string{"s/nothing"}},
		"group":  {texts("s", "t"), "nobody", []string{"s/t", "nobody"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 1, func(t *testing.T, e *transportEnv) {
				e.topic = tt.topic
				cfg := fastConfig()
				cfg.Group = tt.group
				got := newSeen()
				c := e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
					got.add(m.Value)
					return nil
				}, consumer.WaitForProvisioning())
				var err error
				e.server.WaitFor("the consumer to say so", func() bool {
					err = c.Check(t.Context())
					return errors.Is(err, iggyerr.ErrNotFound)
				})
				for _, part := range tt.names {
					require.ErrorContains(t, err, part)
				}
				e.server.CreateTopic(tt.topic.Stream(), tt.topic.Name(), 1)
				e.server.CreateGroup(tt.topic.Stream(), tt.topic.Name(), tt.group)
				e.server.WaitFor("the consumer to join", func() bool { return c.Check(t.Context()) == nil })
			})
		})
	}
}
