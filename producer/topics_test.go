package producer_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The names of topics that do not exist are not kept.
func TestUnknownTopicsAreEvicted(t *testing.T) {
	t.Parallel()
	const interval = 10 * time.Second
	run(t, func(c *config.Producer) { c.MetadataInterval = interval }, func(t *testing.T, s *server, p *producer.Producer) {
		nowhere := func(i int) producer.Message {
			return producer.Message{Stream: "s", Topic: fmt.Sprintf("nowhere-%d", i), Payload: []byte("x")}
		}
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		published := producer.For(p, topic.New("s", "later", topic.Bytes()))
		for i := range 100 {
			require.ErrorIs(t, errOf(p.Send(t.Context(), nowhere(i))), iggyerr.ErrNotFound)
		}
		empty := nowhere(100) // it is refused before anyone asks for its topic
		empty.Payload = nil
		require.ErrorIs(t, errOf(p.Send(t.Context(), empty)), iggyerr.ErrEmptyPayload)
		require.Equal(t, 103, p.TopicCount())
		time.Sleep(3 * interval)
		require.Equal(t, 2, p.TopicCount(), "what exists, and what a publisher holds on to")
		require.EqualValues(t, 101, p.Status().Failed, "they stay counted")

		// Whatever was forgotten may come to exist.
		s.partitions("nowhere-7", 1)
		s.partitions("later", 1)
		require.NoError(t, errOf(p.Send(t.Context(), nowhere(7))))
		require.NoError(t, errOf(published.Publish(t.Context(), []byte("y"))))
		require.ErrorIs(t, errOf(p.Send(t.Context(), nowhere(100))), iggyerr.ErrNotFound)
		require.Equal(t, []string{"x"}, s.payloads("nowhere-7", 0))
		time.Sleep(3 * interval)
		require.Equal(t, 3, p.TopicCount())
		require.EqualValues(t, 102, p.Status().Failed)
		require.EqualValues(t, 3, p.Status().Confirmed)
	})
}

// A topic that is used while its state is being evicted has one state all the same: its messages
// are flushed, in order, and counted once.
func TestTopicUsedDuringEviction(t *testing.T) {
	t.Parallel()
	const interval = 10 * time.Second
	run(t, func(c *config.Producer) { c.MetadataInterval = interval }, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Millisecond })
		r := message("k", "x")
		r.Topic = "new"
		var senders sync.WaitGroup
		failed := 0
		for range 20 { // each round begins as the last one's state is forgotten
			require.ErrorIs(t, errOf(p.Send(t.Context(), r)), iggyerr.ErrNotFound)
			failed++
			time.Sleep(interval)
		}
		for i := range 50 {
			senders.Go(func() {
				time.Sleep(time.Duration(i) * interval / 25)
				_, _ = p.Send(t.Context(), r)
			})
		}
		time.Sleep(interval)
		s.partitions("new", 4)
		senders.Wait()
		synctest.Wait()
		status := p.Status()
		require.Len(t, s.payloads("new", wire.PartitionOf("k", 4)), int(status.Confirmed))
		require.EqualValues(t, failed+50, status.Confirmed+status.Failed)
		require.Equal(t, 1, p.TopicCount())
		require.NoError(t, p.Flush(t.Context()))
	})
}
