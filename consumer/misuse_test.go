package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// hollow is an error type whose methods need a value that a typed nil lacks.
type hollow struct{ err error }

func (h *hollow) Error() string { return h.err.Error() }
func (h *hollow) Unwrap() error { return h.err }

func TestErrorWhosePanicIsItsOwnFailsTheMessage(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*consumer.Consumer[string], *hollow) error{
		"returned": func(c *consumer.Consumer[string], bad *hollow) error {
			return c.Handle(func(context.Context, *consumer.Message[string]) error { return bad })
		},
		"nacked": func(c *consumer.Consumer[string], bad *hollow) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				m.Nack(bad)
				return nil
			})
		},
		"batch": func(c *consumer.Consumer[string], bad *hollow) error {
			return c.HandleBatch(func(context.Context, []*consumer.Message[string]) error { return bad })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, "a/0")
			cfg := quick()
			cfg.Retry.MaxDeliveries = 2
			box := newLetters()
			c := r.consumer(cfg)
			require.NoError(t, c.SetDeadLetters(box))
			require.NoError(t, register(c, nil))
			start(t, c)
			f := box.wait(t, 1)[0]
			require.Equal(t, topic.CodePanic, f.Code)
			require.Equal(t, 2, f.Attempts)
			require.ErrorIs(t, f.Err, iggyerr.ErrPanic)
			r.server.WaitCommitted("s", "t", "g", 0, 0)
		})
	}
}

func TestHandlerThatEndsItsGoroutineFailsTheMessage(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*consumer.Consumer[string], func(string)) error{
		"single": func(c *consumer.Consumer[string], handle func(string)) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				handle(m.Value)
				return nil
			})
		},
		"batch": func(c *consumer.Consumer[string], handle func(string)) error {
			return c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
				for _, m := range batch {
					handle(m.Value)
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, numbered("a", 5)...)
			cfg := quick()
			cfg.Concurrency, cfg.BatchSize = 1, 1
			cfg.Retry.MaxDeliveries = 2
			box := newLetters()
			got := newSeen()
			c := r.consumer(cfg)
			require.NoError(t, c.SetDeadLetters(box))
			require.NoError(t, register(c, func(text string) {
				if text == "a/1" {
					runtime.Goexit() // as FailNow of a test does
				}
				got.add(text)
			}))
			start(t, c)
			require.Equal(t, []string{"a/0", "a/2", "a/3", "a/4"}, got.wait(t, 4))
			f := box.wait(t, 1)[0]
			require.Equal(t, "a/1", f.Value)
			require.Equal(t, 2, f.Attempts)
			require.Equal(t, topic.CodePanic, f.Code)
			r.server.WaitCommitted("s", "t", "g", 0, 4)
			stop(t, c)
		})
	}
}

func TestDrainBeforeStartLeavesTheConsumerUsable(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0")
	got := newSeen()
	c := r.consumer(quick())
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	require.ErrorIs(t, c.Drain(context.Background()), iggyerr.ErrClosed)
	start(t, c)
	got.wait(t, 1)
}

func TestSeekOfADrainedConsumerFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0")
	got := newSeen()
	c := r.consumer(quick())
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, c.Drain(ctx))
	require.ErrorIs(t, c.Seek(ctx, 0, consumer.First()), iggyerr.ErrClosed)
}

// note is a message that a handler can change.
type note struct{ text string }

type noteCodec struct{}

func (noteCodec) Append(dst []byte, n *note) ([]byte, error) { return append(dst, n.text...), nil }
func (noteCodec) ContentType() string                        { return "text/plain" }
func (noteCodec) MessageType() string                        { return "" }
func (noteCodec) Decode(b []byte) (*note, error)             { return &note{string(b)}, nil }

// noteBox keeps the text of the last dead letter.
type noteBox struct{ got chan topic.Failure[*note] }

func (b noteBox) DeadLetter(_ context.Context, f topic.Failure[*note]) error {
	b.got <- f
	return nil
}

func TestWhatAHandlerDoesToAMessageIsNotInItsNextDelivery(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "as it was stored")
	cfg := quick()
	cfg.Retry.MaxDeliveries = 3
	box := noteBox{make(chan topic.Failure[*note], 1)}
	c, err := consumer.New(r.iggy, cfg, topic.New("s", "t", noteCodec{}))
	require.NoError(t, err)
	require.NoError(t, c.SetDeadLetters(box))
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[*note]) error {
		got.add(m.Value.text)
		m.Value.text = "changed"
		return errors.New("failed after it had changed the message")
	}))
	require.NoError(t, c.Start(context.Background()))
	f := <-box.got
	require.Equal(t, []string{"as it was stored", "as it was stored", "as it was stored"}, got.all())
	require.Equal(t, "as it was stored", f.Value.text)
}

func TestWindowOfOneIsFairOverPartitions(t *testing.T) {
	t.Parallel()
	const partitions, each = 8, 200
	r := newRig(t, partitions)
	for p := range uint32(partitions) {
		r.send(p, numbered(fmt.Sprint("k", p), each)...)
	}
	cfg := quick()
	cfg.MaxInFlight, cfg.Concurrency, cfg.BatchSize, cfg.MaxBufferedBytes, cfg.CommitInterval = 1, 1, 1, 1, 0
	var busy, most atomic.Int32
	got := newSeen()
	c := r.consumer(cfg)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		if n := busy.Add(1); n > most.Load() {
			most.Store(n)
		}
		runtime.Gosched()
		busy.Add(-1)
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	texts := got.wait(t, partitions*each)
	require.Len(t, texts, partitions*each)
	require.EqualValues(t, 1, most.Load())
	first := map[string]bool{}
	for _, text := range texts[:partitions*each/2] {
		key, _, _ := strings.Cut(text, "/")
		first[key] = true
	}
	require.Len(t, first, partitions, "each has its turn")
	stop(t, c)
}

func TestManySelfMadeMistakesOfAnIteration(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, numbered("a", 20)...)
	cfg := quick()
	cfg.AckMode = config.AckManual
	cfg.MaxInFlight = 1
	c := r.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []string
	for len(all) < 20 {
		for m, err := range c.Messages(ctx) {
			require.NoError(t, err)
			m.Ack()
			m.Nack(errors.New("too late"))
			m.Ack()
			all = append(all, m.Value)
			break // left early, resumed later
		}
	}
	require.Equal(t, numbered("a", 20), all)
	short, done := context.WithTimeout(ctx, 20*time.Millisecond)
	defer done()
	_, err := c.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ended, end := context.WithCancelCause(ctx)
	end(errors.New("enough"))
	r.send(0, "a/20")
	_, err = c.Next(ended)
	require.ErrorContains(t, err, "enough")
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "a/20", m.Value)
	require.NoError(t, m.AckSync(ctx))
	stop(t, c)
}
