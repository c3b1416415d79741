package consumer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// logLines is a log as it is written, line by line.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logLines) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logLines) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(b), zap.DebugLevel))
}

// lines returns the entries with that message. Each field of an entry occurs once.
func (b *logLines) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		requireDistinctKeys(t, line)
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		if fields["msg"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// waitingText is what a stop logs that leaves messages which wait for redelivery.
const waitingText = "stopped, messages that wait for redelivery are delivered again"

// requireWaiting requires that a stop has left so many messages that wait for redelivery, and
// acknowledged ones behind them.
func (b *logLines) requireWaiting(t *testing.T, count, acknowledged int) {
	t.Helper()
	lines := b.lines(t, waitingText)
	require.Len(t, lines, 1)
	require.EqualValues(t, count, lines[0]["count"])
	require.EqualValues(t, acknowledged, lines[0]["acknowledged"])
}

func requireDistinctKeys(t *testing.T, line string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	_, err := d.Token() // {
	require.NoError(t, err)
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		require.NoError(t, err)
		require.False(t, seen[key.(string)], "%v is there twice: %s", key, line)
		seen[key.(string)] = true
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
	}
}

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// The log of a failure names the message and its trace, and contains nothing of the payload.
func TestFailureLogsNameTheMessage(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	var book logLines
	cfg := fastConfig()
	cfg.Retry.MaxDeliveries = 2
	box := newDeadLetterRecorder()
	c := e.consumer(cfg, consumer.WithLogger(book.logger()), consumer.WithName("me"))
	require.NoError(t, c.SetDeadLetters(box))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if strings.HasPrefix(m.Value, "d/") {
			return consumer.Drop
		}
		return errors.New("no such host")
	}))
	var b wire.Batch
	b.Append([16]byte{1}, 0, []byte("d/secret"), nil)
	b.Append([16]byte{2}, 0, []byte("a/secret"), wire.AppendHeader(nil, "traceparent", traceParent))
	e.sendBatch(0, &b)
	start(t, c)
	box.wait(t, 1)
	stop(t, c)

	again := book.lines(t, "delivery failed, retrying")
	require.Len(t, again, 1)
	deadLettered := book.lines(t, "message given up, dead letter written")
	require.Len(t, deadLettered, 1)
	dropped := book.lines(t, "message dropped")
	require.Len(t, dropped, 1)
	for _, entry := range []map[string]any{again[0], deadLettered[0], dropped[0]} {
		for _, changing := range []string{"ts", "caller", "delay"} {
			delete(entry, changing)
		}
	}
	want := map[string]any{
		"level": "warn", "logger": "consumer", "msg": "delivery failed, retrying",
		"consumer": "me", "stream": "s", "topic": "t", "group": "g", "partition": 0.0, "offset": 1.0,
		"message_id": "02000000-0000-0000-0000-000000000000", "attempt": 1.0, "code": "HANDLER_ERROR", "error": "no such host",
		"trace_id": "0af7651916cd43dd8448eb211c80319c",
	}
	require.Equal(t, want, again[0])
	want["msg"], want["attempt"] = "message given up, dead letter written", 2.0
	require.Equal(t, want, deadLettered[0])
	require.Equal(t, "01000000-0000-0000-0000-000000000000", dropped[0]["message_id"])
	require.Equal(t, "debug", dropped[0]["level"])
	require.NotContains(t, book.text.String(), "secret")
}

func TestFailureLogsOfBatchesAndOnPoll(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*config.Consumer)
		message string
		count   any
	}{
		"batch":   {nil, "delivery of a batch failed, retrying", 3.0},
		"on poll": {func(c *config.Consumer) { c.AckMode = config.AckOnPoll }, "delivery failed, the message was acknowledged before", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, "a/0", "a/1", "a/2")
			var book logLines
			cfg := fastConfig()
			if tt.change != nil {
				tt.change(&cfg)
			}
			c := e.consumer(cfg, consumer.WithLogger(book.logger()))
			require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
				if batch[0].Deliveries() == 1 {
					return errors.New("no such host")
				}
				return nil
			}))
			start(t, c)
			eventually(t, "the entry", func() bool { return len(book.lines(t, tt.message)) > 0 })
			e.server.WaitCommitted("s", "t", "g", 0, 2)
			stop(t, c)
			entry := book.lines(t, tt.message)[0]
			require.Equal(t, tt.count, entry["count"])
			require.Equal(t, 0.0, entry["offset"])
			require.Equal(t, "no such host", entry["error"])
		})
	}
}

func TestNackOutsideOfAHandlerIsLogged(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0")
	var book logLines
	c := e.consumer(fastConfig(), consumer.WithLogger(book.logger()))
	start(t, c)
	m, err := c.Next(t.Context())
	require.NoError(t, err)
	m.Nack(errors.New("no such host"))
	require.Len(t, book.lines(t, "delivery failed, retrying"), 1)
	m, err = c.Next(t.Context())
	require.NoError(t, err)
	m.Ack()
	stop(t, c)
}
