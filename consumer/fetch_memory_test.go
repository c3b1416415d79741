package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// aliasing gives values that are the payload itself.
type aliasing struct{}

func (aliasing) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (aliasing) Decode(payload []byte, _ topic.Headers) ([]byte, error) { return payload, nil }

func (aliasing) ContentType() string { return "application/octet-stream" }

func (aliasing) MessageType() string { return "" }

// keptDeadLetters keeps the payloads of dead letters.
type keptDeadLetters struct {
	mu   sync.Mutex
	kept map[uint64][]byte // by offset
}

func (l *keptDeadLetters) DeadLetter(_ context.Context, f topic.Failure[[]byte]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[f.Origin.Offset] = f.Payload
	return nil
}

// The memory of poll results is reused, and the race detector has it overwritten first. Messages in
// flight must not change: in whatever order messages are settled, however often they are delivered,
// whoever keeps their payload.
func TestPollMemoryIsReusedOnlyWhenUnused(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	const messages = 20_000
	e.sendLarge(messages)
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.Concurrency, cfg.BatchSize = 1000, 16, 300
	cfg.Retry.MaxDeliveries = 2
	dead := &keptDeadLetters{kept: map[uint64][]byte{}}
	c, err := consumer.New(e.iggy, cfg, topic.New(e.stream, "t", topic.Codec[[]byte](aliasing{})),
		consumer.WithLogger(logger(t)))
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(dead))
	var mu sync.Mutex
	var wrong []string
	asked := map[uint64][]byte{}
	settled := map[uint64]*consumer.Message[[]byte]{}
	handled := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
		i := int(m.Offset())
		intact := bytes.Equal(m.Value, large(i)) && m.Header("number") == fmt.Sprint(i)
		mu.Lock()
		defer mu.Unlock()
		if !intact {
			wrong = append(wrong, fmt.Sprint(i))
		}
		switch {
		case i%2000 == 0:
			asked[m.Offset()] = m.Payload()
		case i%2000 == 700:
			settled[m.Offset()] = m
		case i%2000 == 1100, i%2000 == 1500 && m.Deliveries() == 1: // each in an answer of its own
			if m.Deliveries() == 2 {
				handled.add("")
			}
			return errors.New("failed")
		}
		handled.add("")
		return nil
	}))
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, c.Start(ctx))
	handled.wait(t, messages)
	require.NoError(t, c.Stop(ctx))

	mu.Lock()
	defer mu.Unlock()
	require.Empty(t, strings.Join(wrong, " "), "values and headers of messages in flight")
	require.Len(t, asked, messages/2000)
	for offset, payload := range asked {
		require.Equal(t, large(int(offset)), payload, "a payload that was asked for")
	}
	for offset, m := range settled {
		require.Equal(t, fmt.Sprint(offset), m.Header("number"), "a header after the message was settled")
		if payload := m.Payload(); payload != nil {
			require.Equal(t, large(int(offset)), payload, "a payload after the message was settled")
		}
	}
	require.Len(t, dead.kept, messages/2000)
	for offset, payload := range dead.kept {
		require.Equal(t, large(int(offset)), payload, "the payload of a dead letter")
	}
}

func TestMemoryOfSettledMessagesIsReleased(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	const total = 8000
	e.sendLarge(total)
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.BatchSize = 1000, 500
	c, err := consumer.New(e.iggy, cfg, topic.New(e.stream, "t", topic.Codec[[]byte](aliasing{})))
	require.NoError(t, err)
	var values [][]byte
	var messages []*consumer.Message[[]byte]
	handled := newSeen()
	require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[[]byte]) error {
		for _, m := range batch {
			values, messages = append(values, m.Value), append(messages, m)
			handled.add("")
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, c.Start(ctx))
	handled.wait(t, total)
	require.NoError(t, c.Stop(ctx))
	const atLeast = total / 2 // all except the poll results at the beginning, whose size was unexpected, and at the end
	released, overwritten := 0, 0
	for i, value := range values {
		if messages[i].Payload() == nil {
			released++
		}
		if !bytes.Equal(value, large(i)) {
			overwritten++
		}
	}
	require.Greater(t, released, atLeast)
	require.Nil(t, messages[total/2].Payload())
	if raceDetector { // released memory is overwritten
		require.Greater(t, overwritten, atLeast)
	}
}
