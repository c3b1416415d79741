package producer_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// logBuffer keeps all log entries, debug entries included.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *logBuffer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *logBuffer) Sync() error { return nil }

func (p *logBuffer) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

func (p *logBuffer) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), p, zap.DebugLevel))
}

// Promise 10: no payload, header value, key, password or token is ever in a log entry or in an
// error's text.
func TestPromiseNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, s *testServer) {
		s.cluster.RequestTimeout = 200 * time.Millisecond
		s.injectFaults()
		var log logBuffer
		cfg := retryForever()
		cfg.Retry.MaxRetries = 2
		p := s.producer(t, cfg, producer.WithLogger(log.logger()))
		secrets := message("key-hunter2", "payload-hunter2")
		secrets.Headers = []topic.Header{{Key: "authorization", Value: "value-hunter2"}}
		var texts []string
		for i := range 200 {
			r := secrets
			switch i % 40 {
			case 7:
				r.Topic = "nowhere"
			case 8:
				r.Partition = producer.OnPartition(99)
			case 9:
				r.Headers = append(r.Headers, topic.Header{Key: "k", Value: "value-hunter2" + string(make([]byte, 255))})
			}
			if _, err := p.Send(t.Context(), r); err != nil {
				texts = append(texts, fmt.Sprintf("%v %+v", err, err))
			}
		}
		require.NotEmpty(t, texts)
		require.NoError(t, p.Stop(context.Background()))

		wrong := s.cluster
		wrong.ClientSecret = config.NewSecret("password-hunter2")
		q, err := producer.New(wrong, cfg, producer.WithLogger(log.logger()))
		require.NoError(t, err)
		err = q.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		texts = append(texts, err.Error())
		wrong.ClientID, wrong.ClientSecret, wrong.Token = "", config.Secret{}, config.NewSecret("token-hunter2")
		q, err = producer.New(wrong, cfg, producer.WithLogger(log.logger()))
		require.NoError(t, err)
		err = q.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		texts = append(texts, err.Error())

		require.Contains(t, log.text(), "request failed")
		require.NotContains(t, log.text(), "hunter2")
		for _, text := range texts {
			require.NotContains(t, text, "hunter2")
		}
	})
}

// Promise 10: each fault gives one clear error that names the object.
func TestPromiseClearErrors(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, s *testServer) {
		p := s.producer(t, retryForever())
		for name, tt := range map[string]struct {
			change func(*producer.Message)
			want   error
			names  string
		}{
			"empty":         {func(r *producer.Message) { r.Payload = nil }, iggyerr.ErrEmptyPayload, "s/t"},
			"oversized":     {func(r *producer.Message) { r.Payload = make([]byte, iggyerr.MaxPayloadBytes+1) }, iggyerr.ErrTooLarge, "s/t"},
			"no stream":     {func(r *producer.Message) { r.Stream = "nowhere" }, iggyerr.ErrNotFound, "nowhere/t"},
			"no topic":      {func(r *producer.Message) { r.Topic = "nothing" }, iggyerr.ErrNotFound, "s/nothing"},
			"no partition":  {func(r *producer.Message) { r.Partition = producer.OnPartition(7) }, iggyerr.ErrNotFound, "partition 7 of s/t"},
			"largest there": {func(r *producer.Message) { r.Payload = make([]byte, iggyerr.MaxPayloadBytes) }, nil, ""},
		} {
			r := message("", "x")
			tt.change(&r)
			began := time.Now()
			_, err := p.Send(t.Context(), r)
			if tt.want == nil {
				require.NoError(t, err, name)
				continue
			}
			require.ErrorIs(t, err, tt.want, name)
			require.ErrorContains(t, err, tt.names, name)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err), name)
			require.Less(t, time.Since(began), 10*time.Second, "%s: it is not tried again", name)
		}

		// A server that speaks another protocol.
		s.server.Inject(iggytest.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...))
		q, err := producer.New(s.cluster, retryForever())
		require.NoError(t, err)
		err = q.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrProtocol)
		require.ErrorContains(t, err, s.server.Address())
		require.ErrorContains(t, err, "Iggy 0.8")

		// And a producer that is stopped.
		require.NoError(t, q.Stop(t.Context()))
		require.ErrorIs(t, errOf(q.Send(t.Context(), message("", "x"))), iggyerr.ErrClosed)
	})
}
