package producer_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestTopicCreatedLaterIsFound(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r := message("k", "x")
		r.Topic = "late"
		require.ErrorIs(t, errOf(p.Send(t.Context(), r)), iggyerr.ErrNotFound)
		s.partitions("late", 2)
		require.NoError(t, errOf(p.Send(t.Context(), r)))
	})
}

// TestTopicIsReadWhileItIsCreated finds a topic whose partitions follow a moment later, and one that
// stays without.
func TestTopicIsReadWhileItIsCreated(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.topics["late"] = &fakeTopic{partitions: map[uint32][]stored{}} })
		r := message("k", "x")
		r.Topic = "late"
		began := time.Now()
		_, err := p.Send(t.Context(), r)
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, "s/late has no partitions")
		require.Less(t, time.Since(began), 2*time.Second)
		time.AfterFunc(500*time.Millisecond, func() { s.partitions("late", 2) })
		require.NoError(t, errOf(p.Send(t.Context(), r)))
	})
}

func TestPartitionCountIsReadAgainAtTheInterval(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MetadataInterval = time.Minute }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		s.partitions("t", 8)
		key := keyMovingBetween(4, 1, 8, 5)
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "x"))))
		require.Len(t, s.stored("t", 1), 1, "not known yet")
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "x"))))
		require.Len(t, s.stored("t", 5), 1)
	})
}

func TestTopicIsDeletedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		s.partitions("t", 0)
		for range 2 {
			_, err := p.Send(t.Context(), message("k", "lost"))
			require.ErrorIs(t, err, iggyerr.ErrNotFound)
			require.ErrorContains(t, err, "s/t")
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
		}
		s.partitions("t", 2)
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "y"))))
		require.Equal(t, []string{"y"}, s.payloads("t", wire.PartitionOf("k", 2)))
	})
}

// A missing topic is created by the application's function, before its first message and after it
// was deleted under the producer.
func TestMissingTopicIsCreated(t *testing.T) {
	t.Parallel()
	var s *server
	created := 0
	var result error
	create := func(_ context.Context, stream, topic string) error {
		if stream != "s" || topic != "late" {
			return errors.New("not mine")
		}
		if created++; created%2 == 1 {
			return &iggyerr.ConnError{Op: "dial", Err: io.EOF} // the next attempt succeeds
		}
		s.partitions("late", 2)
		return result
	}
	run(t, nil, func(t *testing.T, server *server, p *producer.Producer) {
		s = server
		r := message("k", "x")
		r.Topic = "late"
		require.NoError(t, errOf(p.Send(t.Context(), r)))
		require.Equal(t, 2, created)
		s.partitions("late", 0)
		require.NoError(t, errOf(p.Send(t.Context(), r)))
		require.Equal(t, 4, created)

		r.Topic = "other"
		_, err := p.Send(t.Context(), r)
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, "not mine")
	}, producer.OnMissingTopic(create))
}

// An idle producer finds that its topic is missing when it reads the metadata, and has it created, also
// when that takes longer than the interval.
func TestMissingTopicOfAnIdleProducerIsCreated(t *testing.T) {
	t.Parallel()
	var s *server
	var created chan struct{}
	create := func(ctx context.Context, _, _ string) error {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.partitions("t", 2)
		close(created)
		return nil
	}
	run(t, func(c *config.Producer) { c.MetadataInterval = 100 * time.Millisecond }, func(t *testing.T, server *server, p *producer.Producer) {
		s, created = server, make(chan struct{})
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		s.partitions("t", 0)
		select {
		case <-created:
		case <-time.After(time.Second):
			require.Fail(t, "the topic was not created")
		}
		require.NoError(t, p.Check(t.Context()))
	}, producer.OnMissingTopic(create))
}
