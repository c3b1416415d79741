package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// slowCodec is a codec of texts that waits before it decodes one of them for the first time.
type slowCodec struct {
	textCodec
	text    string
	reached chan struct{} // gets a value when the text is to be decoded
	release chan struct{} // closed when it may be
}

func newSlowCodec(text string) slowCodec {
	return slowCodec{text: text, reached: make(chan struct{}, 1), release: make(chan struct{})}
}

func (c slowCodec) Decode(b []byte) (string, error) {
	if string(b) == c.text {
		select {
		case c.reached <- struct{}{}:
		default:
		}
		<-c.release
	}
	return c.textCodec.Decode(b)
}

// A partition that has to finish and goes on after all, while messages are being decoded: those behind them in the
// log that nobody had seen were forgotten, and are read again. So must these be, or they would come before them, and
// what was acknowledged of them would be committed over the others.
func TestPartitionGoesOnWhileMessagesAreDecoded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	const messages = 300
	r.send(0, numbered("a", messages)...)
	cfg := quick()
	cfg.MaxInFlight, cfg.Concurrency, cfg.CommitInterval = messages, 4, 5*time.Millisecond
	codec := newSlowCodec("a/128") // the first of the second chunk
	key := topic.Key(func(string) string { return "a" })
	c, err := consumer.New(r.iggy, cfg, topic.New(r.stream, "t", topic.Codec[string](codec), key), consumer.WithLogger(logger(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	first := make(chan struct{})
	got := newSeen()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		if m.Value == "a/0" {
			<-first // the others of its key wait behind it
		}
		return nil
	}))
	start(t, c)
	received(t, "the second chunk", codec.reached)

	leaving := func() bool { return c.Status().Partitions[0].Leaving }
	notice := transport.Group{Stream: r.stream, Topic: "t", Name: "g.balance"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.conn.Join(ctx, notice))
	eventually(t, "the partition finishes", leaving)
	require.NoError(t, r.conn.Leave(ctx, notice))
	eventually(t, "the partition goes on", func() bool { return !leaving() })
	close(codec.release)
	close(first)
	got.waitFor(t, "all messages", func(texts []string) bool { return len(texts) >= messages })
	for i, text := range got.all()[:messages] {
		require.Equal(t, fmt.Sprint("a/", i), text)
	}
	r.server.WaitCommitted("s", "t", "g", 0, messages-1)
	stop(t, c)
	require.Len(t, got.all(), messages)
}
