package producer_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// movingKey is a key that has the partition from of n, and to of m.
func movingKey(n, from, m, to uint32) string {
	for i := 0; ; i++ {
		key := fmt.Sprint("key-", i)
		if wire.PartitionOf(key, n) == from && wire.PartitionOf(key, m) == to {
			return key
		}
	}
}

func TestPartitionsAreAdded(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		key := movingKey(4, 0, 8, 4)
		require.NoError(t, p.Send(t.Context(), message(key, "0")))
		// Three requests are under way or queued for the old partition when the count changes.
		s.fail(first(stallsUnsaved, refuses))
		p.SendAsync(t.Context(), message(key, "1"), nil)
		synctest.Wait()
		p.SendAsync(t.Context(), message(key, "2"), nil)
		s.partitions("t", 8)
		r := message("", "new")
		r.Partition = producer.OnPartition(7) // makes it read the metadata
		p.SendAsync(t.Context(), r, nil)
		p.SendAsync(t.Context(), message(key, "3"), nil)
		synctest.Wait()
		require.Empty(t, s.stored("t", 4), "newer messages of the key wait for older ones")
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"0", "1", "2"}, s.payloads("t", 0))
		require.Equal(t, []string{"3"}, s.payloads("t", 4))
		require.Equal(t, []string{"new"}, s.payloads("t", 7))
		older, newer := s.stored("t", 0), s.stored("t", 4)
		require.Less(t, older[2].order, newer[0].order)
	})
}

func TestPartitionCountIsReadAgainAtTheInterval(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MetadataInterval = time.Minute }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		s.partitions("t", 8)
		key := movingKey(4, 1, 8, 5)
		require.NoError(t, p.Send(t.Context(), message(key, "x")))
		require.Len(t, s.stored("t", 1), 1, "not known yet")
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, p.Send(t.Context(), message(key, "x")))
		require.Len(t, s.stored("t", 5), 1)
	})
}

func TestPartitionsAreDeleted(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		key := movingKey(4, 3, 2, 1)
		require.NoError(t, p.Send(t.Context(), message(key, "x"))) // it knows the topic
		s.fail(first(cutUnstored))
		got := make(outcomes, 10)
		for i := range 7 {
			p.SendAsync(t.Context(), message(key, fmt.Sprint(i)), func(r producer.Result) { got <- r })
		}
		explicit := message("", "explicit")
		explicit.Partition = producer.OnPartition(3)
		lost := make(outcomes, 1)
		p.SendAsync(t.Context(), explicit, func(r producer.Result) { lost <- r })
		s.partitions("t", 2)
		require.NoError(t, p.Flush(t.Context()))
		for _, r := range got.take(t, 7) {
			require.Equal(t, producer.Confirmed, r.Outcome)
			require.EqualValues(t, 1, r.Partition)
		}
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, s.payloads("t", 1))
		r := lost.take(t, 1)[0]
		require.Equal(t, producer.Failed, r.Outcome)
		require.ErrorIs(t, r.Err, iggyerr.ErrNotFound)
		require.ErrorContains(t, r.Err, "s/t/3")
		require.Zero(t, p.Status().BufferedBytes)
		require.Zero(t, p.Status().BufferedMessages)
		require.NoError(t, p.Send(t.Context(), message(key, "7")))
		require.NoError(t, p.Send(t.Context(), message("", "any")))

		s.partitions("t", 4)
		explicit.Payload = []byte("again")
		require.NoError(t, p.Send(t.Context(), explicit), "a partition may come back")
		require.NoError(t, p.Send(t.Context(), message(key, "8")))
		require.Equal(t, []string{"again", "8"}, s.payloads("t", 3))
	})
}

func TestTopicIsDeletedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		s.partitions("t", 0)
		for range 2 {
			err := p.Send(t.Context(), message("k", "lost"))
			require.ErrorIs(t, err, iggyerr.ErrNotFound)
			require.ErrorContains(t, err, "s/t")
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
		}
		s.partitions("t", 2)
		require.NoError(t, p.Send(t.Context(), message("k", "y")))
		require.Equal(t, []string{"y"}, s.payloads("t", wire.PartitionOf("k", 2)))
	})
}

func TestARequestThatMissesWhatTheMetadataHasGoesAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(first(lacks))
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		require.Equal(t, []string{"x"}, s.payloads("t", wire.PartitionOf("k", 4)))
		require.Equal(t, 2, s.count(&s.reads))
		require.EqualValues(t, 1, p.Status().Retries)
	})
}
