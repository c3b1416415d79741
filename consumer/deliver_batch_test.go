package consumer_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(0, numbered("a", 100)...)
	e.send(1, numbered("b", 30)...)
	cfg := fastConfig()
	cfg.BatchSize, cfg.MaxInFlight = 10, 40
	cfg.Retry.MaxDeliveries = 3
	box := newDeadLetterRecorder()
	c := e.consumer(cfg)
	require.NoError(t, c.SetDeadLetters(box))
	got := newSeen()
	var failed atomic.Int32
	require.NoError(t, c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
		if len(batch) > 10 {
			return consumer.Permanent(errors.New("too many"))
		}
		if batch[0].Partition() == 1 && batch[0].Deliveries() == 1 {
			failed.Add(1)
			return errors.New("once")
		}
		for _, m := range batch {
			if m.Value == "a/50" {
				m.Nack(consumer.Permanent(errors.New("bad")))
				continue
			}
			got.add(m.Value)
		}
		return nil
	}))
	start(t, c)
	var a, b []string
	for _, text := range got.wait(t, 129) {
		if strings.HasPrefix(text, "a") {
			a = append(a, text)
		} else {
			b = append(b, text)
		}
	}
	want := numbered("a", 100)
	require.Equal(t, append(want[:50:50], want[51:]...), a)
	require.Equal(t, numbered("b", 30), b)
	require.Positive(t, failed.Load())
	require.Equal(t, "a/50", box.wait(t, 1)[0].Value)
	e.server.WaitCommitted("s", "t", "g", 0, 99)
	e.server.WaitCommitted("s", "t", "g", 1, 29)
}
